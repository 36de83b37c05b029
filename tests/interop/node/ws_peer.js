// A peer that a test drives, on a ZeroMQ library of npm: `node ws_peer.js zeromq|jszmq`, one command per line, one answer.
//   open TYPE OPTION=VALUE...   bind ENDPOINT   connect ENDPOINT   subscribe HEX   send HEX...   recv   close
// Frames are hexadecimal, "-" is an empty one.
"use strict";
const readline = require("readline");
const library = process.argv[2];
const zmq = require(library);

const word = (frame) => frame.toString("hex") || "-";
const frame = (text) => (text === "-" ? Buffer.alloc(0) : Buffer.from(text, "hex"));

// The two libraries' sockets, made alike.
class OfZeromq {
  constructor(type, options) {
    if (options.curveServer) options.curveServer = true;
    this.s = new zmq[type](options);
    this.s.linger = 0;
    if (type === "Subscriber") this.subscribe = (topic) => this.s.subscribe(topic);
  }
  async bind(endpoint) { await this.s.bind(endpoint); }
  connect(endpoint) { this.s.connect(endpoint); }
  async send(frames) { await this.s.send(frames); }
  async recv() { return this.s.receive(); }
  close() { this.s.close(); }
}

class OfJszmq {
  constructor(type) {
    this.s = new zmq[{ Subscriber: "Sub", Publisher: "Pub", Request: "Req", Reply: "Rep" }[type] || type]();
    this.got = [];
    this.waiting = [];
    this.s.on("message", (...parts) => {
      // REP's and ROUTER's first argument is who sent it; REP's is not part of the message
      const frames = parts.filter((p) => p instanceof Uint8Array).map((p) => Buffer.from(p));
      const next = this.waiting.shift();
      if (next) next(frames);
      else this.got.push(frames);
    });
  }
  async bind(endpoint) { this.s.bindSync(endpoint); }
  connect(endpoint) { this.s.connect(endpoint); }
  subscribe(topic) { this.s.subscribe(topic.toString()); }
  async send(frames) { this.s.send(frames); }
  recv() {
    return this.got.length > 0 ? this.got.shift() : new Promise((done) => this.waiting.push(done));
  }
  close() { this.s.close(); }
}

const names = { SUB: "Subscriber", PUB: "Publisher", REQ: "Request", REP: "Reply", PUSH: "Push", PULL: "Pull",
  DEALER: "Dealer", ROUTER: "Router", PAIR: "Pair" };
let socket;
const commands = {
  open: (type, ...words) => {
    const options = Object.fromEntries(words.map((w) => [w.slice(0, w.indexOf("=")), w.slice(w.indexOf("=") + 1)]));
    socket = new (library === "zeromq" ? OfZeromq : OfJszmq)(names[type], options);
  },
  bind: (endpoint) => socket.bind(endpoint),
  connect: (endpoint) => socket.connect(endpoint),
  subscribe: (topic) => socket.subscribe(frame(topic)),
  send: (...frames) => socket.send(frames.map(frame)),
  recv: async () => ["msg", ...(await socket.recv()).map((f) => word(Buffer.from(f)))].join(" "),
  close: () => socket.close(),
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, ...args] = line.split(" ");
    try {
      console.log((await commands[name](...args)) || "ok");
    } catch (e) {
      console.log("error " + e.message);
    }
  }
  process.exit(0);
})();
