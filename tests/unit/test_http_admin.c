/* The admin listener: endpoints, the token, the Host header, and the token file. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/http_admin.h"

#define TOKEN "0123456789abcdef"

static char folder[] = "/tmp/fr-unit-admin.XXXXXX";
static char socket_path[64], token_path[64], answer[4096];
static struct event_base *base;
static struct fr_http_admin *admin;
static struct sockaddr_in address;

static int render_text(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    fr_buffer_printf(out, "%s:%s\n", (const char *)ctx, call->query);
    return 200;
}

static const struct fr_http_endpoint endpoints[] = {
    {"/open", "text/plain", .public = true, .listed = true, render_text},
    {"/closed", "text/plain", .public = false, .listed = true, render_text},
    {"/style", "text/css", .public = true, .listed = false, render_text},
    {.path = NULL},
};

static const struct fr_http_endpoint for_balancers[] = {
    {"/status", "text/plain", .public = true, .listed = true, render_text},
    {.path = NULL},
};

/* Store a loopback address with an unused port in `address`, and return the port. */
static uint16_t free_port(void)
{
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address = (struct sockaddr_in){.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void start(const char *token)
{
    struct fr_http_admin_settings settings = {
        .address = "127.0.0.1", .port = free_port(), .token = token, .socket = socket_path};
    struct fr_error error;

    base = event_base_new();
    admin = fr_http_admin_new(base, &settings, endpoints, for_balancers, (void *)"body", &error);
    ck_assert_msg(admin != NULL, "%s", error.text);
}

/* Listen for load balancers only. */
static void start_status(void)
{
    struct fr_http_admin_settings settings = {.status_address = "127.0.0.1",
                                              .status_port = free_port()};
    struct fr_error error;

    base = event_base_new();
    admin = fr_http_admin_new(base, &settings, endpoints, for_balancers, (void *)"body", &error);
    ck_assert_msg(admin != NULL, "%s", error.text);
}

static void stop(void)
{
    fr_http_admin_free(admin);
    event_base_free(base);
}

/* Send a request with the header lines `headers` and read the complete answer. Returns the HTTP
 * status. */
static int request(bool local, const char *method, const char *path, const char *headers)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    const struct sockaddr *peer = local ? (struct sockaddr *)&name : (struct sockaddr *)&address;
    char line[512];
    size_t len = 0;
    ssize_t n;
    int status;

    snprintf(name.sun_path, sizeof name.sun_path, "%s", socket_path);
    ck_assert_int_eq(connect(fd, peer, local ? sizeof name : sizeof address), 0);
    snprintf(line, sizeof line, "%s %s HTTP/1.1\r\n%sConnection: close\r\n\r\n", method, path,
             headers);
    ck_assert_int_eq(send(fd, line, strlen(line), MSG_NOSIGNAL), (ssize_t)strlen(line));
    while ((n = recv(fd, answer + len, sizeof answer - 1 - len, MSG_DONTWAIT)) != 0) {
        ck_assert(n > 0 || errno == EAGAIN);
        if (n > 0)
            len += (size_t)n;
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    close(fd);
    answer[len] = '\0';
    ck_assert_int_eq(sscanf(answer, "HTTP/1.1 %d", &status), 1);
    return status;
}

START_TEST(endpoints_are_found_by_path)
{
    start(NULL);
    ck_assert_int_eq(request(false, "GET", "/closed?a=b", "Host: localhost\r\n"), 200);
    ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\nbody:a=b\n"));
    ck_assert_int_eq(request(false, "HEAD", "/open", "Host: localhost\r\n"), 200);
    ck_assert_ptr_nonnull(strstr(answer, "Content-Length: 6\r\n"));
    ck_assert_ptr_null(strstr(answer, "body:"));
    ck_assert_int_ge(request(false, "POST", "/open", "Host: localhost\r\nContent-Length: 0\r\n"),
                     405);
    stop();
}
END_TEST

START_TEST(unknown_path_lists_the_endpoints)
{
    start(NULL);
    ck_assert_int_eq(request(false, "GET", "/openly", "Host: localhost\r\n"), 404);
    ck_assert_ptr_nonnull(strstr(answer, "the endpoints are /open /closed\n"));
    stop();
}
END_TEST

START_TEST(load_balancers_see_only_their_endpoints)
{
    static const char *const methods[] = {"GET", "POST", "OPTIONS"};

    start_status();
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        ck_assert_int_eq(request(false, methods[i], "/status?a",
                                 "Host: cars.example.com\r\nContent-Length: 0\r\n"),
                         200);
        ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\nbody:a\n"));
    }
    ck_assert_int_eq(request(false, "HEAD", "/status", ""), 200);
    ck_assert_ptr_null(strstr(answer, "body:"));
    ck_assert_int_eq(request(false, "GET", "/open", ""), 404);
    ck_assert_int_eq(request(false, "GET", "/closed", ""), 404);
    ck_assert_int_eq(request(false, "GET", "/status/", ""), 404);
    ck_assert_ptr_null(strstr(answer, "/closed"));
    stop();
}
END_TEST

START_TEST(token_is_required_over_tcp)
{
    start(TOKEN);
    ck_assert_int_eq(request(false, "GET", "/open", "Host: example.com\r\n"), 200);
    ck_assert_int_eq(request(false, "GET", "/closed", ""), 401);
    ck_assert_ptr_nonnull(strstr(answer, "WWW-Authenticate: Bearer"));
    ck_assert_ptr_null(strstr(answer, "body:"));
    ck_assert_int_eq(request(false, "GET", "/closed", "Authorization: Bearer " TOKEN "x\r\n"), 401);
    ck_assert_int_eq(request(false, "GET", "/closed", "Authorization: Bearer 0123456789abcdeF\r\n"),
                     401);
    ck_assert_int_eq(request(false, "GET", "/closed", "Authorization: Basic " TOKEN "\r\n"), 401);
    ck_assert_int_eq(request(false, "GET", "/closed", "Authorization: bearer " TOKEN "\r\n"), 200);
    ck_assert_int_eq(request(true, "GET", "/closed", ""), 200);
    stop();
    ck_assert_int_ne(access(socket_path, F_OK), 0);
}
END_TEST

START_TEST(without_a_token_the_host_must_be_a_name_of_this_server)
{
    static const char *const local[] = {"localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080",
                                        "192.0.2.1"};
    static const char *const remote[] = {"example.com", "localhost.example.com",
                                         "127.0.0.1.example.com:80"};
    char header[128];

    start(NULL);
    ck_assert_int_eq(request(false, "GET", "/open", ""), 200);
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        snprintf(header, sizeof header, "Host: %s\r\n", local[i]);
        ck_assert_msg(request(false, "GET", "/open", header) == 200, "%s", local[i]);
    }
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++) {
        snprintf(header, sizeof header, "Host: %s\r\n", remote[i]);
        ck_assert_msg(request(false, "GET", "/open", header) == 403, "%s", remote[i]);
        ck_assert_msg(request(true, "GET", "/open", header) == 200, "%s", remote[i]);
    }
    stop();
}
END_TEST

static char *read_token(const char *text)
{
    struct fr_error error;
    FILE *file = fopen(token_path, "w");
    char *token;

    fputs(text, file);
    fclose(file);
    token = fr_http_admin_read_token(token_path, open(token_path, O_RDONLY), &error);
    ck_assert(token != NULL || strstr(error.text, "16 to 512 characters") != NULL);
    return token;
}

START_TEST(token_is_the_first_line)
{
    struct fr_error error;
    char *token, text[600];

    token = read_token(TOKEN "\r\nanother line\n");
    ck_assert_str_eq(token, TOKEN);
    free(token);
    ck_assert_ptr_null(read_token(""));
    ck_assert_ptr_null(read_token("0123456789abcde\n"));
    memset(text, 'x', sizeof text);
    text[513] = '\0';
    ck_assert_ptr_null(read_token(text));
    text[512] = '\0';
    token = read_token(text);
    ck_assert_uint_eq(strlen(token), 512);
    free(token);
    unlink(token_path);
    ck_assert_ptr_null(fr_http_admin_read_token(token_path, open(token_path, O_RDONLY), &error));
}
END_TEST

static void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(socket_path, sizeof socket_path, "%s/admin.sock", folder);
    snprintf(token_path, sizeof token_path, "%s/token", folder);
}

static void remove_folder(void)
{
    rmdir(folder);
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
}

Suite *suite_http_admin(void)
{
    Suite *suite = suite_create("http_admin");
    TCase *tests = tcase_create("http_admin");

    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_test(tests, endpoints_are_found_by_path);
    tcase_add_test(tests, unknown_path_lists_the_endpoints);
    tcase_add_test(tests, load_balancers_see_only_their_endpoints);
    tcase_add_test(tests, token_is_required_over_tcp);
    tcase_add_test(tests, without_a_token_the_host_must_be_a_name_of_this_server);
    tcase_add_test(tests, token_is_the_first_line);
    suite_add_tcase(suite, tests);
    return suite;
}
