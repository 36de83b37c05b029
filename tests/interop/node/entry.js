// What the browser's bundle is made of.
window.zmq = require("jszmq");
window.Buffer = require("buffer").Buffer;
