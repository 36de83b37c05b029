// A peer on the npm package zeromq, whose libzmq has the draft types. One JSON request per line on stdin, one JSON answer
// per line on stdout: ["open", name, type, {option: value}] and so on; octets travel as hexadecimal text. See node.py.
// SB_NODE_MODULES says where the package is.
"use strict"
const path = require("path")
const readline = require("readline")

process.removeAllListeners("warning")
process.on("warning", () => {}) // "draft features are experimental"
const root = path.join(process.env.SB_NODE_MODULES, "zeromq")
const { Socket } = require(path.join(root, "lib", "native.js"))
require(path.join(root, "lib", "index.js"))

const TYPES = {
  PAIR: 0, DEALER: 5, ROUTER: 6, STREAM: 11, SERVER: 12, CLIENT: 13, RADIO: 14, DISH: 15, GATHER: 16, SCATTER: 17, DGRAM: 18,
  PEER: 19, CHANNEL: 20,
}
const NUMBERS = {
  linger: 17, rcvtimeo: 27, sndtimeo: 28, curve_server: 47, stream_notify: 73, router_notify: 97,
}
const STRINGS = {
  routing_id: 5, curve_publickey: 48, curve_secretkey: 49, curve_serverkey: 50, connect_routing_id: 61, hello_msg: 110,
  disconnect_msg: 111, hiccup_msg: 114,
}

// The package's classes only take methods away; here every type has all of them.
class Any extends Socket {
  constructor(type) {
    super(TYPES[type])
  }
}

const sockets = new Map()
const octets = hex => Buffer.from(hex, "hex")

const commands = {
  open(name, type, options = {}) {
    const sock = new Any(type)
    sock.setInt32Option(NUMBERS.linger, 0)
    for (const [key, value] of Object.entries({ rcvtimeo: 5000, sndtimeo: 5000, ...options })) {
      if (key in NUMBERS) sock.setInt32Option(NUMBERS[key], value)
      else sock.setStringOption(STRINGS[key], octets(value))
    }
    sockets.set(name, sock)
  },
  async bind(name, endpoint) {
    await sockets.get(name).bind(endpoint)
    return sockets.get(name).getStringOption(32).replace(/\0.*/, "")
  },
  connect(name, endpoint) {
    sockets.get(name).connect(endpoint)
  },
  disconnect(name, endpoint) {
    sockets.get(name).disconnect(endpoint)
  },
  // meta: { group: text } of a RADIO, { routingId: number } of a SERVER
  async send(name, frames, meta) {
    const parts = frames.map(octets)
    if (meta) await sockets.get(name).send(parts, meta)
    else await sockets.get(name).send(parts)
  },
  async recv(name) {
    const got = await sockets.get(name).receive()
    const frames = got.filter(x => Buffer.isBuffer(x))
    const meta = got.find(x => !Buffer.isBuffer(x)) || {}
    return {
      frames: frames.map(f => f.toString("hex")),
      routing_id: meta.routingId,
      group: meta.group === undefined ? undefined : Buffer.from(meta.group).toString("hex"),
    }
  },
  // libzmq looks at what its I/O thread did only when it is called.
  poke(name) {
    return sockets.get(name).getInt32Option(15)
  },
  join(name, group) {
    Socket.prototype.join.call(sockets.get(name), octets(group))
  },
  leave(name, group) {
    Socket.prototype.leave.call(sockets.get(name), octets(group))
  },
  close(name) {
    sockets.get(name).close()
    sockets.delete(name)
  },
}

async function main() {
  process.stdout.write('{"value":"ready"}\n')
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [command, ...args] = JSON.parse(line)
    let answer
    try {
      answer = { value: await commands[command](...args) }
    } catch (e) {
      answer = { error: e.code || String(e) }
    }
    process.stdout.write(JSON.stringify(answer) + "\n")
  }
  for (const sock of sockets.values()) sock.close()
}

main()
