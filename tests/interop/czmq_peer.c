/* The other side of test_czmq.py: czmq with its zauth actor, as programs use it.
 *
 *   server plain PASSWORDS | server curve CERTIFICATE CLIENTS    a REP that answers with the user id; prints
 * its port client CERTIFICATE SERVERKEY ENDPOINT                        a REQ that asks once; prints the
 * answer certificate FILE NAME                                        a new one, saved as czmq does
 */
#include <czmq.h>

static void configure(zactor_t *auth, const char *mechanism, const char *file)
{
    zstr_sendx(auth, mechanism, file, NULL);
    zsock_wait(auth);
}

static int serve(char **argv)
{
    bool curve = strcmp(argv[0], "curve") == 0;
    zactor_t *auth = zactor_new(zauth, NULL);
    zsock_t *sock = zsock_new(ZMQ_REP);
    configure(auth, curve ? "CURVE" : "PLAIN", curve ? argv[2] : argv[1]);
    zsock_set_zap_domain(sock, "global");
    if (curve) {
        zcert_t *cert = zcert_load(argv[1]);
        zcert_apply(cert, sock);
        zcert_destroy(&cert);
        zsock_set_curve_server(sock, 1);
    } else {
        zsock_set_plain_server(sock, 1);
    }
    printf("%d\n", zsock_bind(sock, "tcp://127.0.0.1:*"));
    fflush(stdout);
    for (zframe_t *frame; (frame = zframe_recv(sock)) != NULL; zframe_destroy(&frame)) {
        const char *user = zframe_meta(frame, "User-Id");
        zstr_send(sock, user != NULL ? user : "nobody");
    }
    zsock_destroy(&sock);
    zactor_destroy(&auth);
    return 0;
}

static int ask(char **argv)
{
    zcert_t *cert = zcert_load(argv[0]);
    zsock_t *sock = zsock_new(ZMQ_REQ);
    zcert_apply(cert, sock);
    zsock_set_curve_serverkey(sock, argv[1]);
    zsock_set_rcvtimeo(sock, 5000);
    zsock_set_linger(sock, 0);
    zsock_connect(sock, "%s", argv[2]);
    zstr_send(sock, "who am I?");
    char *answer = zstr_recv(sock);
    puts(answer != NULL ? answer : "no answer");
    zstr_free(&answer);
    zsock_destroy(&sock);
    zcert_destroy(&cert);
    return 0;
}

static int make_certificate(char **argv)
{
    zcert_t *cert = zcert_new();
    zcert_set_meta(cert, "name", "%s", argv[1]);
    int rc = zcert_save(cert, argv[0]);
    puts(zcert_public_txt(cert));
    zcert_destroy(&cert);
    return rc == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int words; /* at least */
        int (*run)(char **argv);
    } roles[] = {{"server", 4, serve}, {"client", 5, ask}, {"certificate", 4, make_certificate}};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (argc >= roles[i].words && strcmp(argv[1], roles[i].name) == 0)
            return roles[i].run(argv + 2);
    fputs("czmq_peer: unknown words\n", stderr);
    return 2;
}
