---@meta signalbox
-- Annotations (LuaCATS) of the script API, for editors with lua-language-server. Never run. The manual is docs/scripting.md.

---Seconds, or a string such as "500ms" or "2s". Negative: without end.
---@alias sb.Time number|string

---What can be sent: one frame, a list of frames, or a message object.
---@alias sb.Sendable string|(string|number)[]|sb.Message

---Failures of the world are values: nil, a text, and an errno-style name ("ETIMEDOUT"). Only misuse raises.
---@alias sb.ErrorName
---| "EAGAIN"       # full, or nothing there, and not allowed to wait
---| "ETIMEDOUT"    # the time is up
---| "ECANCELED"    # the server is ending ("exiting")
---| "ECLOSED"      # the socket was closed
---| "EHOSTUNREACH" # no such peer
---| "EFSM"         # not now: REQ and REP take turns
---| "ENOTSUP"      # this type cannot do that
---| "EADDRINUSE"
---| "EINVAL"
---| string

---A sentinel: what a handler may return.
---@class sb.Token

---@class sb
---@field DROP sb.Token the message goes nowhere, counted as denied
---@field ACCEPT sb.Token the subscription is accepted
---@field DENY sb.Token the subscription is denied
---@field worker integer which of the workers that run this script, from 0 (nginx, worker all)
---@field workers integer how many they are; 1 while the configuration is checked
---@field json table lua-cjson's safe module, also require "cjson.safe"
---@field log sb.Log
local sb = {}

---Options of the constructors' table; names and defaults are libzmq's.
---@class sb.SocketOptions
---@field name? string unique in the engine; used in logs and metrics
---@field bind? string|string[] endpoints: "tcp://*:5555", "tcp://*:5555/service", "ipc:///run/x", "inproc://name", "ws://*:80/path"
---@field connect? string|string[]
---@field join? string|string[] DISH: groups
---@field hops? integer ROUTERs before this socket whose ids stand before the body; set by route and pipe
---@field routing_id? string identity announced to the peer; not NUL-led
---@field subscribe? string|string[] adds a subscription
---@field unsubscribe? string removes a subscription
---@field type? integer read only; the socket's type, libzmq's number
---@field rcvmore? integer read only; always 0: messages come whole
---@field fd? integer read only; the engine's descriptor
---@field events? integer read only; 1: a receive would show a message, 2: a send would be taken, 3: both
---@field thread_safe? integer read only; always 0
---@field topics_count? integer read only; distinct topics subscribed now
---@field affinity? integer kept, without effect: there are no I/O threads (default 0)
---@field in_batch_size? integer kept, without effect: reads adapt by themselves (default 8192)
---@field out_batch_size? integer kept, without effect: writes adapt by themselves (default 8192)
---@field loopback_fastpath? boolean kept, without effect: for Windows (default false)
---@field metadata? string "X-name:value" told to every peer; each one set adds to those before
---@field reconnect_stop? integer do not reconnect after: 1 a refused connection, 2 a failed handshake, 4 disconnect; added up (default 0)
---@field xpub_manual_last_value? boolean xpub_manual, and the next message goes only to the peer whose subscription was set last (default false)
---@field only_first_subscribe? boolean kept, without effect: only messages of one frame are ever taken for subscriptions (default true)
---@field xsub_verbose_unsubscribe? boolean pass every unsubscription up, not only the last of a topic (default false)
---@field sndbuf? integer|string kernel send buffer, -1: the kernel's, over ipc 512k (default -1)
---@field rcvbuf? integer|string kernel receive buffer, -1: the kernel's choice (default -1)
---@field linger? sb.Time how long close waits for queued messages, -1: for ever (default -1)
---@field reconnect_ivl? sb.Time first wait before reconnecting, -1: never (default 0.1)
---@field backlog? integer pending connections of a listening socket (default 100)
---@field reconnect_ivl_max? sb.Time the wait doubles up to this, 0: it stays at reconnect_ivl (default 0)
---@field maxmsgsize? integer|string largest frame accepted, -1: no limit (default -1)
---@field sndhwm? integer messages queued to a peer, 0: no limit (default 1000)
---@field rcvhwm? integer messages queued from a peer, 0: no limit (default 1000)
---@field rcvtimeo? sb.Time default timeout of recv in tasks, -1: none (default -1)
---@field sndtimeo? sb.Time default timeout of send in tasks, -1: none (default -1)
---@field last_endpoint? string the last bind, resolved
---@field router_mandatory? boolean an unroutable message is an error instead of a drop (default false)
---@field tcp_keepalive? integer SO_KEEPALIVE, -1: the kernel's choice (default -1)
---@field tcp_keepalive_cnt? integer TCP_KEEPCNT (default -1)
---@field tcp_keepalive_idle? integer TCP_KEEPIDLE, seconds (default -1)
---@field tcp_keepalive_intvl? integer TCP_KEEPINTVL, seconds (default -1)
---@field immediate? boolean queue only to completed connections (default false)
---@field xpub_verbose? boolean pass duplicate subscriptions up (default false)
---@field ipv6? boolean resolve and bind IPv6 too (default false)
---@field ipv4only? boolean ipv6 the other way round; deprecated in libzmq (default true)
---@field plain_server? boolean accept PLAIN clients; somebody must be asked about them (default false)
---@field plain_username? string be a PLAIN client of this name
---@field plain_password? string password of the PLAIN client
---@field curve_server? boolean accept CURVE clients; needs curve_secretkey (default false)
---@field curve_publickey? string our public key; only checked, the secret key tells it
---@field curve_secretkey? string|string[] our secret key; a server may have several: a list, or in C Z85 with blanks between
---@field curve_serverkey? string be a CURVE client of the server with this public key
---@field zap_domain? string ask the authenticator about NULL peers too, and under this name
---@field zap_enforce_domain? boolean a ZAP handler is asked only by sockets that have a zap_domain (default false)
---@field allow_null? boolean accept NULL peers beside PLAIN and CURVE clients (default false)
---@field curve_keyfile? string file with our secret key or keys, as signalbox keygen writes it; instead of curve_secretkey
---@field curve_allow? string directory (or file) of public keys: only these CURVE clients come in; read when it is set
---@field auth_timeout? sb.Time how long an authenticator may take before its peer is turned away (default 5)
---@field mechanism? integer security mechanism in use: 0 is NULL (default 0)
---@field probe_router? boolean send an empty message to every new peer (default false)
---@field req_correlate? boolean number requests and match replies (default false)
---@field req_deadline? sb.Time a request without answer for so long is over, 0: never (default 0)
---@field req_resend? sb.Time a request without answer for so long goes to the next peer too, 0: never; numbers requests (default 0)
---@field req_relaxed? boolean allow a request while one is open (default false)
---@field conflate? boolean keep only the last message (default false)
---@field router_handover? boolean a new peer takes over a routing id in use (default false)
---@field router_raw? boolean be a STREAM, for the binds and connects that follow; deprecated in libzmq (default false)
---@field tos? integer IP type of service (default 0)
---@field connect_routing_id? string routing id of the peer of the next connect
---@field handshake_ivl? sb.Time limit of the whole handshake, 0: none (default 30)
---@field xpub_nodrop? boolean a full subscriber is an error instead of a drop (default false)
---@field xpub_manual? boolean subscriptions wait for on_subscribe (default false)
---@field xpub_welcome_msg? string sent to every new subscriber
---@field stream_notify? boolean an empty message from every connection that came or went (default true)
---@field invert_matching? boolean send what does not match (default false)
---@field heartbeat_ivl? sb.Time time between PINGs, 0: none (default 0)
---@field heartbeat_ttl? sb.Time time the peer may wait for us, 0: unset (default 0)
---@field heartbeat_timeout? sb.Time silence after a PING that ends the connection, -1: heartbeat_ivl (default -1)
---@field xpub_verboser? boolean pass duplicate subscriptions and unsubscriptions up (default false)
---@field connect_timeout? sb.Time limit of a connect, 0: the kernel's (default 0)
---@field tcp_maxrt? sb.Time TCP_USER_TIMEOUT, 0: the kernel's (default 0)
---@field socks_proxy? string HOST:PORT of a SOCKS5 proxy for the next connects, empty: none
---@field socks_username? string for the SOCKS5 proxy
---@field socks_password? string for the SOCKS5 proxy
---@field use_fd? integer a listening (bind) or connected (connect) stream descriptor; the next bind or connect owns it (default -1)
---@field wss_key_pem? string private key of wss_cert_pem, PEM text
---@field wss_cert_pem? string our certificate and its chain, PEM text; connecting sockets may have none
---@field wss_trust_pem? string certificates we trust, PEM text; a binding socket that has some asks clients for theirs
---@field wss_hostname? string name the server's certificate must have, empty: the endpoint's host
---@field wss_trust_system? boolean trust whom the system trusts, too (default false)
---@field wss_key_file? string file to read wss_key_pem from
---@field wss_cert_file? string file to read wss_cert_pem from
---@field wss_trust_file? string file to read wss_trust_pem from
---@field priority? integer SO_PRIORITY, 0: the kernel's (default 0)
---@field busy_poll? integer SO_BUSY_POLL, microseconds, 0: the kernel's (default 0)
---@field bindtodevice? string SO_BINDTODEVICE; where the kernel refuses it, bind and connect fail
---@field multicast_hops? integer routers a multicast datagram may pass (default 1)
---@field multicast_maxtpdu? integer octets of a multicast datagram at most; larger ones are dropped (default 1500)
---@field multicast_loop? boolean this machine hears our multicast datagrams too (default true)
---@field router_notify? integer an empty message from a peer that came (1), went (2), or both (3) (default 0)
---@field hello_msg? string sent first to every new peer
---@field disconnect_msg? string comes from a peer that connected to us when it has gone
---@field hiccup_msg? string comes from a peer we connect to when the connection is lost
---@field sndhwm_bytes? integer|string octets queued to a peer, 0: no limit (default 0)
---@field rcvhwm_bytes? integer|string octets queued from a peer, 0: no limit (default 0)
---@field max_frames? integer frames of one message (default 8192)
---@field max_message? integer|string octets of one message, all its frames, 0: no limit (default 268435456)
---@field max_peers? integer connections this socket accepts, 0: no limit (default 0)
---@field max_peers_per_address? integer the same from one address; set it before bind (default 0)
---@field max_peers_per_identity? integer the same of one user id, or where nobody knows that of one routing id (default 0)
---@field max_handshakes? integer accepted connections that are not done with their handshake; the overdue go, 0: no limit (default 4096)
---@field accept_rate? integer connections accepted per second, a second's worth at once, 0: no limit (default 0)
---@field handshakes_per_turn? integer steps of CURVE handshakes of accepted connections in a turn of the loop, 0: no limit (default 8)
---@field max_handshake? integer|string octets of one command of a handshake (default 8192)
---@field max_topic? integer|string octets of one subscription (default 65536)
---@field max_subscriptions? integer subscriptions of one peer (default 1000000)
---@field max_subscription_bytes? integer|string octets of all subscriptions of one peer (default 67108864)
---@field strict? boolean close on frames that RFC 37 forbids and libzmq accepts (default true)
---@field zmtp_min? integer oldest ZMTP version of peers: 1 (libzmq 2), 2 (libzmq 3) or 3; with security only 3 (default 2)
---@field on_full? "default"|"block"|"drop_new"|"drop_old"|"disconnect" when a peer's queue is full: block, drop_new, drop_old, disconnect; STREAM: no drops (default "default")
---@field message_ttl? sb.Time how long a message may wait in a queue, 0: for ever (default 0)
---@field conflate_key? integer frame that is a key: only the newest message of each waits, 0: off (default 0)
---@field retain? { last: integer, per: "topic"|integer, messages: integer?, bytes: integer|string? } PUB, XPUB: what late subscribers get (docs/pubsub.md)
---@field retain_last? integer messages of each topic kept for late subscribers, 0: none (default 0)
---@field retain_prefix? integer octets of the first frame that are the topic of retain_last, 0: all (default 0)
---@field retain_messages? integer messages kept over all topics, 0: no limit (default 100000)
---@field retain_bytes? integer|string octets kept over all topics, 0: no limit (default "64m")
---@field confirm_subscriptions? boolean tell when a publisher has taken a subscription (default false)
---@field balance? "round_robin"|"least_queued"|"weighted"|"sticky" who gets the next message: round_robin, least_queued, weighted, sticky (default "round_robin")
---@field balance_key? integer frame that is the key of balance = sticky (default 1)
---@field weight? integer share of the peers of the next connects and binds, for balance = weighted (default 1)
---@field weights? integer[] shares of the endpoints of `connect`, for balance = weighted
---@field conflate_prefix? integer octets of the conflate_key frame that count, 0: all (default 0)

---@param options? sb.SocketOptions
---@return sb.Socket
---@overload fun(options?: sb.SocketOptions): nil, string, sb.ErrorName
function sb.router(options) end
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.dealer = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.req = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.rep = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.pub = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.sub = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.xpub = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.xsub = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.push = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.pull = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.pair = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.stream = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.dgram = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.server = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.client = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.radio = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.dish = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.gather = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.scatter = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.peer = sb.router
---@type fun(options?: sb.SocketOptions): sb.Socket
sb.channel = sb.router

---A message of your own, not tied to a handler.
---@param frames sb.Sendable
---@return sb.Message
function sb.message(frames) end

---Runs fn as a task: a coroutine that may wait. It starts when the running code has returned.
---@param fn fun(...)
---@return true? ok
---@return string? err
---@return sb.ErrorName? code EAGAIN: too many open tasks
function sb.spawn(fn, ...) end

---Calls fn every interval; once more with exiting = true when the server ends. A tick that still waits is not started twice.
---@param interval sb.Time
---@param fn fun(exiting: boolean)
---@return sb.Timer? timer
---@return string? err
---@return sb.ErrorName? code EAGAIN: too many timers
function sb.every(interval, fn) end

---Calls fn once, after a delay.
---@param delay sb.Time
---@param fn fun(exiting: boolean)
---@return sb.Timer? timer
---@return string? err
---@return sb.ErrorName? code EAGAIN: too many timers
function sb.after(delay, fn) end

---Waits. Only in handlers and tasks.
---@param time sb.Time
---@return true? slept
---@return string? err "exiting"
---@return sb.ErrorName? code
function sb.sleep(time) end

---Seconds since 1970, with fraction.
---@return number
function sb.now() end

---"declare" while a configuration is checked (top level only, no I/O), else "run".
---@return "declare"|"run"
function sb.phase() end

---The server is ending.
---@return boolean
function sb.exiting() end

---Where messages go that cannot be routed or whose script failed: [JSON header][frames...]. nil: nowhere.
---@param socket sb.Socket?
function sb.dead_letter(socket) end

---A peer that wants in. Unknown strings are "".
---@class sb.AuthRequest
---@field mechanism "NULL"|"PLAIN"|"CURVE"
---@field domain string zap_domain of the socket
---@field socket string name of the socket
---@field address string IP address, "" for ipc
---@field endpoint string the whole of it
---@field identity string what it announced; "" with PLAIN, which says that later
---@field username string PLAIN
---@field password string PLAIN
---@field key string CURVE: its public key in Z85
---@field metadata table<string, string> what it says of itself; empty with PLAIN

---Who may come in: asked about every accepted peer, whatever its mechanism. May wait, for at most the socket's auth_timeout.
---Returns the user id, true or a table to let it in; nil, "reason" and a ZAP status (400; 300: try again later) to refuse. nil: nobody decides.
---@param fn fun(request: sb.AuthRequest): string|boolean|{ user_id: string?, metadata: table<string, string>? }|nil, string?, integer?
function sb.authenticate(fn) end

---Passes everything between two sockets, in C; a copy of all goes to capture.
---@param front sb.Socket
---@param back sb.Socket
---@param capture? sb.Socket
---@return sb.Proxy
function sb.proxy(front, back, capture) end

---Without argument (or with {}): all numbers. With a name: a number of your own.
---@param new? { counter: string?, gauge: string?, help: string? }
---@return sb.Metric|table
function sb.metrics(new) end

---@class sb.Shared
local Shared = {}
---@alias sb.SharedValue string|number|boolean
---@param key string
---@return sb.SharedValue?
function Shared:get(key) end
---nil deletes. A full zone: nil, "no memory"; nothing that lives is thrown out.
---@param key string
---@param value sb.SharedValue?
---@param ttl? number|string seconds until it goes, 0 or none: it stays
---@return true?, string?, string?
function Shared:set(key, value, ttl) end
---Only where there is none: nil, "exists".
---@param key string
---@param value sb.SharedValue
---@param ttl? number|string
---@return true?, string?, string?
function Shared:add(key, value, ttl) end
---@param key string
---@param by number
---@param init? number what to begin with where there is none; without it: nil, "not found"
---@param init_ttl? number|string
---@return number?, string?, string?
function Shared:incr(key, by, init, init_ttl) end
---@param key string
---@param ttl number|string 0: it stays
---@return true?, string?, string?
function Shared:expire(key, ttl) end
---@param key string
---@return true
function Shared:delete(key) end
---@param max? integer 1024; 0: all
---@return string[]
function Shared:keys(max) end

---The dictionary of that name in the host's zone: the same one in every script and worker, and after a reload.
---@param name string
---@return sb.Shared
function sb.shared(name) end

---@class sb.Log
---@field debug fun(...)
---@field info fun(...)
---@field notice fun(...)
---@field warn fun(...)
---@field error fun(...)

---@class sb.Timer
local Timer = {}
---@return boolean was_running
function Timer:cancel() end

---@class sb.Metric
local Metric = {}
---@param n? number default 1
function Metric:add(n) end
---Gauges only.
---@param v number
function Metric:set(v) end
---@return number
function Metric:get() end

---@class sb.Proxy
local Proxy = {}
---Messages wait (back-pressure to the peers) until resume.
function Proxy:pause() end
function Proxy:resume() end
---Whole messages that came in at each side and that the capture got, and how many it missed because it was full.
---@return { front: { msgs: integer, bytes: integer }, back: { msgs: integer, bytes: integer }, captured: { msgs: integer, bytes: integer }, missed: integer, paused: boolean }
function Proxy:statistics() end
---Takes the proxy off; the sockets stay.
function Proxy:stop() end

---A message. It belongs to its handler until that returns; msg:keep() holds it longer. #msg is the number of body frames.
---@class sb.Message
---@field [integer] string body frames; set one, or append with msg[#msg + 1]
---@field peer sb.Peer? who it came from
---@field envelope string[] routing ids and delimiter before the body; can be set
---@field group string? RADIO and DISH: the group it belongs to; can be set
---@field routing_id integer? SERVER and PEER: the number of who sent it, or whom it goes to; can be set
local Message = {}
---Octets of frame i, or of the whole body; makes no string.
---@param i? integer
---@return integer
function Message:size(i) end
---@param i integer
---@param prefix string
---@return boolean
function Message:starts(i, prefix) end
---@param i integer
---@param text string
---@return boolean
function Message:equals(i, text) end
---@param i integer
---@param frame string
---@return sb.Message
function Message:insert(i, frame) end
---@param i? integer default: the last
---@return string frame
function Message:remove(i) end
---@return sb.Message
function Message:copy() end
---@return sb.Message self
function Message:keep() end
---@return string[]
function Message:frames() end

---A connection's other end. The facts stay readable after it is gone.
---@class sb.Peer
---@field id integer number of the connection, never used again
---@field address string of an HTTP client (nginx): its own
---@field user_id string from sb.authenticate, a ZAP handler or nginx, else ""
---@field key string CURVE servers: its public key in Z85, else ""
---@field identity string routing id it announced
---@field routing_id string|integer the id a ROUTER knows it by; of a SERVER or PEER its number
---@field type string socket type: "DEALER"
---@field mechanism string
---@field metadata table<string, string> properties of its handshake, and over them those of whoever let it in
---@field socket sb.Socket
---@field connected boolean
---@field writable boolean its queue takes a message now
---@field ws_protocol? string WebSocket: the subprotocol, "ZWS2.0/NULL"
---@field ws_origin? string WebSocket: where a browser's page came from
---@field tls_version? string TLS: "TLSv1.3"
---@field tls_cipher? string
---@field tls_subject? string TLS: whom its verified certificate names, "CN=client"
local Peer = {}
---To this peer; sockets that address their peers only: ROUTER, SERVER, PEER, STREAM. Does not wait.
---@param msg sb.Sendable
---@return true? ok
---@return string? err
---@return sb.ErrorName? code
function Peer:send(msg) end
---@param why? string
---@return true? ok
---@return string? err
---@return sb.ErrorName? code
function Peer:kick(why) end
---Seconds of the last heartbeat round trip.
---@return number?
function Peer:rtt() end
---@return sb.Stats?
function Peer:stats() end

---Per second, counted since somebody asked before (a second or more ago), the first time since it came.
---@class sb.Rates
---@field msgs_in number
---@field msgs_out number
---@field bytes_in number
---@field bytes_out number
---@field span number seconds that were counted over

---@class sb.Stats
---@field msgs_in integer
---@field msgs_out integer
---@field bytes_in integer
---@field bytes_out integer
---@field peers integer
---@field subscriptions integer
---@field rtt number? peers only: seconds of the last heartbeat round trip
---@field retained_msgs integer
---@field retained_bytes integer
---@field queued_in_msgs integer
---@field queued_in_bytes integer
---@field queued_out_msgs integer
---@field queued_out_bytes integer
---@field age_in number seconds that the oldest message queued in has waited, 0 when none waits
---@field age_out number
---@field rates sb.Rates
---@field dropped table<string, integer> by cause: hwm, no_peer, no_route, denied, script, oversize, lost, filtered, incomplete, expired, evicted, conflated
---@field handshakes_delayed integer connections that waited for handshakes_per_turn
---@field handshake_failures table<string, integer> by cause

---A row of a route table: a condition (none: every message) and exactly one of to, reply, drop.
---@class sb.Row
---@field frame? integer body frame to look at, default 1
---@field prefix? string it starts with this
---@field equals? string it is this
---@field to? sb.Socket|sb.Targets|sb.Token|fun(msg: sb.Message, peer: sb.Peer): sb.Socket|sb.Token|nil, string?
---@field weight? integer[] with a list of targets
---@field reply? string answer to the sender
---@field drop? boolean
---@field reason? string goes there as a dead letter with this reason

---@class sb.Targets
---@field [integer] sb.Socket
---@field weight? integer[]

---@class sb.Socket
---@field name string
---@field type string "ROUTER"
---@field last_endpoint string the last bind, resolved: "tcp://127.0.0.1:40123"
---@field closed boolean
local Socket = {}

---Sends a whole message. Waits for room in handlers and tasks, at most timeout (default: sndtimeo).
---@param msg sb.Sendable
---@param timeout? sb.Time
---@return true? ok
---@return string? err
---@return sb.ErrorName? code
function Socket:send(msg, timeout) end
---Waits for a message, at most timeout (default: rcvtimeo). Only on sockets without handler and route.
---@param timeout? sb.Time
---@return sb.Message? msg
---@return string? err
---@return sb.ErrorName? code
function Socket:recv(timeout) end
---REQ and DEALER: sends and waits for the answer.
---@param msg sb.Sendable
---@param timeout? sb.Time
---@return sb.Message? answer
---@return string? err
---@return sb.ErrorName? code
function Socket:request(msg, timeout) end
---for msg in socket:messages() do ... end, until the socket is closed or the server ends.
---@return fun(): sb.Message?
function Socket:messages() end

---Rows compiled to C; the first that matches wins. nil takes the route off.
---@param rows sb.Row[]?
---@return sb.Socket self
function Socket:route(rows) end
---Which row would take a message with this first frame (or these frames).
---@param topic sb.Sendable
---@return string text
---@return integer? row
function Socket:explain(topic) end
---Everything to another socket: in C without fn, else what fn returns: a message, a list of messages, sb.DROP, or nil, reason.
---@param to sb.Socket
---@param fn? fun(msg: sb.Message, peer: sb.Peer): sb.Sendable|sb.Message[]|sb.Token|nil, string?
---@return sb.Socket self
function Socket:pipe(to, fn) end
---For every message. Returning a string, a list of frames or a message answers; nil, reason refuses; nothing: taken.
---@param fn fun(msg: sb.Message, peer: sb.Peer): sb.Sendable|sb.Token|nil, string?
---@return sb.Socket self
function Socket:on_message(fn) end
---What of a subscription's topic the peer gets: all that is exactly it, all that matches, or what a function says.
---@alias sb.Filter { exact: boolean }|{ match: string, separator: string? }|fun(msg: sb.Message, peer: sb.Peer): boolean

---PUB and XPUB: a filter for whoever subscribes exactly this topic; nil takes it off for later ones.
---@param topic string
---@param filter sb.Filter?
---@return sb.Socket self
function Socket:filter(topic, filter) end
---PUB, XPUB and RADIO: may this peer have this topic? May wait; denied after 5 s.
---@param fn fun(topic: string, peer: sb.Peer): sb.Token|string|boolean|sb.Filter, string|sb.Filter?
---@return sb.Socket self
function Socket:on_subscribe(fn) end
---Events of connections: "accepted", "handshake_succeeded", "disconnected", ...; of queues: "congested", "relieved" (info.queued_msgs, queued_bytes);
---of a REQ: "request_expired", when req_deadline has passed.
---@param fn fun(event: string, peer: sb.Peer?, info: table)
---@return sb.Socket self
function Socket:on_peer(fn) end

---@return sb.Peer[]
function Socket:peers() end
---The peer that a message to this routing id would reach: ROUTER, STREAM; SERVER and PEER by number.
---@param routing_id string|integer
---@return sb.Peer? peer
function Socket:peer(routing_id) end
---@param peer sb.Peer
---@param why? string
---@return true? ok
---@return string? err
---@return sb.ErrorName? code
function Socket:kick(peer, why) end
---@return sb.Stats
function Socket:stats() end

---@param endpoint string
---@return true? ok
---@return string? err
---@return sb.ErrorName? code
function Socket:bind(endpoint) end
---@param endpoint string
---@return true? ok
---@return string? err
---@return sb.ErrorName? code
function Socket:connect(endpoint) end
---Connects and gives the new peer, whose routing_id can be used at once. Not with immediate.
---@param endpoint string
---@return sb.Peer? peer
---@return string? err
---@return sb.ErrorName? code
function Socket:connect_peer(endpoint) end
---@param endpoint string
---@return true? ok
---@return string? err
---@return sb.ErrorName? code
function Socket:unbind(endpoint) end
---@param endpoint string
---@return true? ok
---@return string? err
---@return sb.ErrorName? code
function Socket:disconnect(endpoint) end
---With confirm: waits until there is a publisher and all that are connected have taken it.
---@param topic string
---@param how? { confirm: boolean, timeout: sb.Time? }
---@return true? ok
---@return string? err
---@return sb.ErrorName? code
function Socket:subscribe(topic, how) end
---PUB and XPUB: forgets what is retained of a topic (a whole first frame).
---@param topic? string default: all
---@return integer messages
function Socket:forget(topic) end
---@param topic string
---@return true? ok
---@return string? err
---@return sb.ErrorName? code
function Socket:unsubscribe(topic) end
---DISH: from now on the messages of this group, exactly.
---@param group string at most 255 octets
---@return true? ok
---@return string? err
---@return sb.ErrorName? code
function Socket:join(group) end
---@param group string
---@return true? ok
---@return string? err
---@return sb.ErrorName? code
function Socket:leave(group) end
---@param option string
---@param value string|number|boolean
---@return sb.Socket self
function Socket:set(option, value) end
---@param option string
---@return string|number|boolean value
function Socket:get(option) end
---Sends what is queued (linger), then ends. Also by local s <close> = ...
function Socket:close() end

-- lzmq's names
---@param frames string[]
---@param timeout? sb.Time
---@return true? ok
function Socket:send_all(frames, timeout) end
---@param ... string frames
---@return true? ok
function Socket:sendx(...) end
---@param frame string
---@return true
function Socket:send_more(frame) end
---@param timeout? sb.Time
---@return string[]? frames
function Socket:recv_all(timeout) end
---@param timeout? sb.Time
---@return string? ... frames
function Socket:recvx(timeout) end

return sb
