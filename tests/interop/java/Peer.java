// A peer on JeroMQ, an engine of its own (Debian's speaks ZMTP 2.0). One request per line on stdin, one answer per line on
// stdout, "ok ..." or "error ..."; frames travel as hexadecimal text, "-" is an empty one. See java_peer.py.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.zeromq.ZMQ;

public class Peer {
    static final Map<String, Integer> TYPES = new HashMap<>();
    static final Map<String, ZMQ.Socket> SOCKETS = new HashMap<>();
    static final ZMQ.Context CONTEXT = ZMQ.context(1);

    static {
        String[] names = {"PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB"};
        for (int i = 0; i < names.length; i++)
            TYPES.put(names[i], i);
    }

    static byte[] octets(String hex) {
        byte[] out = new byte[hex.equals("-") ? 0 : hex.length() / 2];
        for (int i = 0; i < out.length; i++)
            out[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
        return out;
    }

    static String hex(byte[] data) {
        StringBuilder text = new StringBuilder(data.length == 0 ? "-" : "");
        for (byte b : data)
            text.append(String.format("%02x", b));
        return text.toString();
    }

    static String open(String name, String type, String identity) {
        ZMQ.Socket s = CONTEXT.socket(TYPES.get(type));
        s.setLinger(0);
        s.setReceiveTimeOut(10000);
        s.setSendTimeOut(10000);
        if (!identity.equals("-"))
            s.setIdentity(octets(identity));
        SOCKETS.put(name, s);
        return "";
    }

    static String send(ZMQ.Socket s, String[] words) {
        for (int i = 2; i < words.length; i++)
            if (!s.send(octets(words[i]), i + 1 < words.length ? ZMQ.SNDMORE : 0))
                throw new RuntimeException("timeout");
        return "";
    }

    static String recv(ZMQ.Socket s) {
        List<String> frames = new ArrayList<>();
        do {
            byte[] data = s.recv(0);
            if (data == null)
                throw new RuntimeException("timeout");
            frames.add(hex(data));
        } while (s.hasReceiveMore());
        return String.join(" ", frames);
    }

    static String run(String[] words) {
        if (words[0].equals("open"))
            return open(words[1], words[2], words[3]);
        ZMQ.Socket s = SOCKETS.get(words[1]);
        switch (words[0]) {
        case "bind":
            return String.valueOf(s.bindToRandomPort(words[2]));
        case "connect":
            s.connect(words[2]);
            return "";
        case "send":
            return send(s, words);
        case "recv":
            return recv(s);
        case "poke": // a socket that accepts a connection looks up from its work only when it is called
            s.getEvents();
            return "";
        case "subscribe":
            s.subscribe(octets(words[2]));
            return "";
        default:
            throw new RuntimeException("unknown request " + words[0]);
        }
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        System.out.println("ok");
        for (String line; (line = in.readLine()) != null;) {
            try {
                System.out.println(("ok " + run(line.split(" "))).trim());
            } catch (Exception e) {
                System.out.println("error " + e);
            }
        }
        Runtime.getRuntime().halt(0); // a context with open sockets would wait
    }
}
