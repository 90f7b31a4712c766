#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fleet_api/access_token.h"
#include "fleet_api/base64url.h"
#include "fleet_api/form.h"
#include "fleet_api/oauth.h"
#include "fleet_api/secret_file.h"
#include "fleet_api/tesla_hosts.h"
#include "fleet_api/tokens.h"
#include "util/clock.h"
#include "util/memory.h"

#define OTHER_UID 65534

static char folder[64], path[128];
static struct fr_error error;

static void set_up(void)
{
    strcpy(folder, "/tmp/fr-tokens-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/tokens.json", folder);
    error.text[0] = '\0';
}

static void tear_down(void)
{
    char *command = fr_asprintf("rm -rf %s", folder);

    ck_assert_int_eq(system(command), 0);
    free(command);
}

static void put_file(const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

/* ---- the file -------------------------------------------------------------------- */

START_TEST(tokens_are_read_as_written)
{
    struct fr_tokens tokens = {0}, back;
    struct stat st;
    int64_t now = fr_wall_ms();

    ck_assert_int_eq(fr_tokens_read(folder, &back, &error), FR_TOKENS_MISSING);
    fr_tokens_replace(&tokens, "access-1", now + 1000, "refresh-1", now);
    ck_assert_ptr_null(tokens.refresh_previous);
    fr_tokens_replace(&tokens, "access-2", now + 2000, "refresh-2", now + 1);
    tokens.base_url = fr_strdup("https://fleet-api.prd.eu.vn.cloud.tesla.com");
    tokens.scopes = fr_strdup("openid vehicle_location");
    tokens.client_id = fr_strdup("an-id");
    ck_assert_msg(fr_tokens_write(folder, &tokens, &error) == 0, "%s", error.text);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(fr_tokens_read(folder, &back, &error), FR_TOKENS_READ);
    ck_assert_str_eq(back.access, "access-2");
    ck_assert_str_eq(back.refresh, "refresh-2");
    ck_assert_str_eq(back.refresh_previous, "refresh-1");
    ck_assert_str_eq(back.base_url, tokens.base_url);
    ck_assert_str_eq(back.scopes, tokens.scopes);
    ck_assert_str_eq(back.client_id, "an-id");
    ck_assert_int_eq(back.access_expires_ms, now + 2000);
    ck_assert_int_eq(back.refresh_issued_ms, now + 1);
    ck_assert_int_eq(back.previous_until_ms, now + 1 + FR_TOKENS_GRACE_MS);
    fr_tokens_free(&back);
    /* An owner can grant no scope. */
    tokens.scopes[0] = '\0';
    ck_assert_int_eq(fr_tokens_write(folder, &tokens, &error), 0);
    ck_assert_int_eq(fr_tokens_read(folder, &back, &error), FR_TOKENS_READ);
    ck_assert_str_eq(back.scopes, "");
    fr_tokens_free(&back);
    /* An answer without a refresh token: the one so far stays. */
    fr_tokens_replace(&tokens, "access-3", now, NULL, now + 5);
    ck_assert_str_eq(tokens.refresh, "refresh-2");
    ck_assert_int_eq(tokens.refresh_issued_ms, now + 1);
    /* The previous one is dropped after 24 hours. */
    tokens.previous_until_ms = now - 1;
    ck_assert_int_eq(fr_tokens_write(folder, &tokens, &error), 0);
    ck_assert_int_eq(fr_tokens_read(folder, &back, &error), FR_TOKENS_READ);
    ck_assert_ptr_null(back.refresh_previous);
    fr_tokens_free(&back);
    fr_tokens_free(&tokens);
    ck_assert_int_eq(fr_tokens_remove(folder, &error), 0);
    ck_assert_int_eq(fr_tokens_remove(folder, &error), 0);
    ck_assert_int_eq(fr_tokens_read(folder, &back, &error), FR_TOKENS_MISSING);
}
END_TEST

static void check_refused(const char *text, mode_t mode, const char *part)
{
    struct fr_tokens tokens;

    put_file(text, mode);
    error.text[0] = '\0';
    ck_assert_msg(fr_tokens_read(folder, &tokens, &error) == FR_TOKENS_REFUSED, "%s", text);
    ck_assert_ptr_null(tokens.access);
    ck_assert_ptr_null(tokens.refresh);
    ck_assert_msg(strstr(error.text, path) != NULL && strstr(error.text, part) != NULL, "%s: %s",
                  part, error.text);
    ck_assert_msg(strstr(error.text, "s3cret") == NULL, "%s", error.text);
}

START_TEST(a_file_that_is_no_tokens_file_is_refused)
{
    static const char *const wrong[] = {
        "{",
        "[]",
        "null",
        "s3cret",
        "{\"access_token\":\"s3cret\",\"refresh_token\":5}",
        "{\"access_token\":\"s3cret\\r\\nX: y\"}",
        "{\"access_token\":\"s3cret with a space\"}",
        "{\"access_token\":\"s3cret\\u00e9\"}",
        "{\"access_token\":\"\"}",
        "{\"access_token\":\"s3cret\",\"base_url\":\"http://example.com\"}",
        "{\"access_token\":\"s3cret\",\"access_expires_ms\":-1}",
        "{\"access_token\":\"s3cret\",\"access_expires_ms\":1e3}",
        "{\"access_token\":\"s3cret\",\"refresh_issued_ms\":9223372036854775807}",
        "{\"access_token\":\"s3cret\",\"refresh_issued_ms\":\"5\"}",
    };
    struct fr_tokens tokens;
    char *huge = fr_calloc(300001, 1);

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_refused(wrong[i], 0600, "damaged");
    check_refused("", 0600, "empty");
    memset(huge, ' ', 300000);
    check_refused(huge, 0600, "more than");
    free(huge);
    check_refused("{\"access_token\":\"s3cret\"}", 0640, "chmod 600");
    check_refused("{\"access_token\":\"s3cret\"}", 0604, "chmod 600");
    put_file("{}", 0600);
    ck_assert_int_eq(fr_tokens_read(folder, &tokens, &error), FR_TOKENS_READ);
    fr_tokens_free(&tokens);
    if (geteuid() == 0) {
        ck_assert_int_eq(chown(path, OTHER_UID, OTHER_UID), 0);
        ck_assert_int_eq(fr_tokens_read(folder, &tokens, &error), FR_TOKENS_REFUSED);
        ck_assert_ptr_nonnull(strstr(error.text, "chown"));
    }
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(fr_tokens_read(folder, &tokens, &error), FR_TOKENS_REFUSED);
}
END_TEST

START_TEST(a_folder_is_made_and_a_failure_leaves_the_old_file)
{
    struct fr_tokens tokens = {0}, back;
    char *inner = fr_asprintf("%s/a/b", folder),
         *blocked = fr_asprintf("%s/a/b/tokens.json", folder);
    struct stat st;

    tokens.access = fr_strdup("one");
    ck_assert_int_eq(fr_tokens_write(inner, &tokens, &error), 0);
    ck_assert_int_eq(stat(inner, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0750);
    ck_assert_int_eq(fr_tokens_read(inner, &back, &error), FR_TOKENS_READ);
    fr_tokens_free(&back);
    unlink(blocked);
    ck_assert_int_eq(mkdir(blocked, 0700), 0); /* rename(2) does not replace a folder */
    ck_assert_int_eq(fr_tokens_write(inner, &tokens, &error), -1);
    ck_assert_ptr_nonnull(strstr(error.text, blocked));
    fr_tokens_free(&tokens);
    free(inner);
    free(blocked);
}
END_TEST

START_TEST(one_process_has_the_lock)
{
    int lock = fr_tokens_lock(folder, 0, &error), status;
    int64_t begun = fr_monotonic_ms();
    char pid[32];
    pid_t child;

    ck_assert_msg(lock >= 0, "%s", error.text);
    ck_assert_int_eq(fr_tokens_lock(folder, 100, &error), -1);
    ck_assert_int_ge(fr_monotonic_ms() - begun, 100);
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    ck_assert_msg(strstr(error.text, pid) != NULL && strstr(error.text, "unit") != NULL, "%s",
                  error.text);
    fr_tokens_unlock(lock);
    /* The end of a process releases its lock. */
    child = fork();
    if (child == 0) {
        fr_tokens_lock(folder, 0, &error);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    lock = fr_tokens_lock(folder, 0, &error);
    ck_assert_int_ge(lock, 0);
    fr_tokens_unlock(lock);
    fr_tokens_unlock(-1);
}
END_TEST

/* The number of files in the folder whose name begins with `start`. */
static int count_files(const char *start)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int count = 0;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL)
        count += strncmp(entry->d_name, start, strlen(start)) == 0;
    closedir(dir);
    return count;
}

/* A process that is killed while it writes tokens leaves a file with them. The limit on the
 * size of files kills the child in its first write(2). */
START_TEST(the_lock_removes_what_a_killed_process_left)
{
    struct fr_tokens tokens = {0};
    struct rlimit limit = {.rlim_cur = 0, .rlim_max = 0};
    int lock, status;
    pid_t child;

    strcat(path, ".backup"); /* of the owner */
    put_file("x", 0600);
    tokens.refresh = fr_strdup("secret");
    child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_DFL); /* with CK_FORK=no, an earlier test may ignore it */
        setrlimit(RLIMIT_FSIZE, &limit);
        fr_tokens_write(folder, &tokens, &error);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    ck_assert_int_eq(count_files("tokens.json."), 2);
    lock = fr_tokens_lock(folder, 0, &error);
    ck_assert_int_ge(lock, 0);
    ck_assert_int_eq(count_files("tokens.json"), 1);
    ck_assert_int_eq(access(path, F_OK), 0);
    fr_tokens_unlock(lock);
    fr_tokens_free(&tokens);
}
END_TEST

/* ---- access tokens --------------------------------------------------------------- */

static void read_claims(struct fr_access_claims *claims, const char *payload)
{
    char *body = fr_base64url(payload, strlen(payload));
    char *token = fr_asprintf("e30.%s.c2ln", body);

    fr_access_claims_read(claims, token);
    free(token);
    free(body);
}

START_TEST(claims_name_region_and_scopes)
{
    static const char *const none[] = {"",          "x",    "a.b", "a.!.c", "..", "e30.bnVsbA.c",
                                       "e30.W10.c", "a.e30"};
    struct fr_access_claims claims;

    read_claims(&claims,
                "{\"aud\":[\"https://fleet-api.prd.na.vn.cloud.tesla.com\",5,"
                "\"https://fleet-api.prd.eu.vn.cloud.tesla.com\",\"https://auth.tesla.com\"],"
                "\"ou_code\":\"EU\",\"scp\":[\"openid\",\"vehicle_location\",7,\"a b\"],"
                "\"exp\":4102444800}");
    ck_assert_str_eq(claims.base_url, "https://fleet-api.prd.eu.vn.cloud.tesla.com");
    ck_assert_str_eq(claims.region, "eu");
    ck_assert_str_eq(claims.scopes, "openid vehicle_location");
    fr_access_claims_free(&claims);
    read_claims(&claims, "{\"aud\":[\"https://fleet-api.evil@x.eu.y\",\"http://fleet-api.a.eu.b\","
                         "\"https://fleet-api.a.eu.b?\"],\"ou_code\":\"EU\",\"exp\":-5,"
                         "\"scp\":\"openid\"}");
    ck_assert_ptr_null(claims.base_url);
    ck_assert_ptr_null(claims.scopes);
    fr_access_claims_free(&claims);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        fr_access_claims_read(&claims, none[i]);
        ck_assert_msg(claims.base_url == NULL && claims.scopes == NULL && claims.region[0] == '\0',
                      "%s", none[i]);
        fr_access_claims_free(&claims);
    }
}
END_TEST

START_TEST(only_hosts_of_the_fleet_api_are_teslas)
{
    static const char *const good[] = {"fleet-api.prd.na.vn.cloud.tesla.com",
                                       "fleet-api.prd.eu.vn.cloud.tesla.com:443",
                                       "fleet-api.prd.cn.vn.cloud.tesla.cn"};
    static const char *const wrong[] = {"",
                                        "tesla.com",
                                        "fleet-api.tesla.com.evil.example",
                                        "fleet-api.evil.example",
                                        "fleet-api.xtesla.com",
                                        "evil.fleet-api.prd.tesla.com",
                                        "fleet-api..tesla.com",
                                        "fleet-api.a.tesla.com:8443",
                                        "fleet-api.a.tesla.com:",
                                        "fleet-api.a/.tesla.com",
                                        "fleet-api.a@b.tesla.com",
                                        "FLEET-API.PRD.TESLA.COM"};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(fr_tesla_is_api_host(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(!fr_tesla_is_api_host(wrong[i]), "%s", wrong[i]);
    ck_assert_int_eq(fr_tesla_region_named("eu"), FR_TESLA_REGION_EU);
    ck_assert_int_eq(fr_tesla_region_named("cn"), FR_TESLA_REGION_CN);
    ck_assert_int_eq(fr_tesla_region_named("x"), FR_TESLA_REGION_AUTO);
    ck_assert_int_eq(fr_tesla_region_named(""), FR_TESLA_REGION_AUTO);
    ck_assert_str_eq(fr_tesla_token_url(FR_TESLA_REGION_CN),
                     "https://auth.tesla.cn/oauth2/v3/token");
    ck_assert_str_eq(fr_tesla_token_url(FR_TESLA_REGION_EU),
                     "https://fleet-auth.prd.vn.cloud.tesla.com/oauth2/v3/token");
}
END_TEST

/* ---- the link and the pasted address --------------------------------------------- */

static const struct fr_oauth_app app = {
    .token_url = "https://auth.example/oauth2/v3/token",
    .authorize_url = "https://auth.tesla.com/oauth2/v3/authorize",
    .client_id = "an id&",
    .client_secret = "s3cret",
    .redirect_uri = "https://car.example.com/callback",
};

/* The code of a pasted address is `code`; NULL: it is refused, and the message has `code`. */
static void check_pasted(const struct fr_oauth_app *of, const char *pasted, const char *wanted,
                         const char *wanted_region)
{
    char region[8], *code = fr_oauth_code(of, pasted, "st&te", region, &error);

    if (wanted == NULL) {
        ck_assert_msg(code == NULL, "%s", pasted);
        ck_assert_msg(strstr(error.text, "; ") != NULL && strstr(error.text, "s3cret") == NULL,
                      "%s", error.text);
    } else {
        ck_assert_msg(code != NULL, "%s: %s", pasted, error.text);
        ck_assert_str_eq(code, wanted);
        ck_assert_str_eq(region, wanted_region);
    }
    fr_secret_free(code);
}

START_TEST(the_pasted_address_gives_the_code)
{
    static const char *const wrong[] = {
        "",
        "https://car.example.com/callback",
        "https://car.example.com/callback?",
        "https://car.example.com/callback?code=a",
        "https://car.example.com/callback?code=a&state=x",
        "https://car.example.com/callback?state=st%26te",
        "https://car.example.com/callback?code=&state=st%26te",
        "https://car.example.com/callback?code=a%0d%0a&state=st%26te",
        "https://car.example.com/callback?code=a%&state=st%26te",
        "https://car.example.com/callback?code=a&state=st%26te&state=st%26te",
        "https://car.example.com/callback2?code=a&state=st%26te",
        "https://car.example.com.evil/callback?code=a&state=st%26te",
        "http://car.example.com/callback?code=a&state=st%26te",
        "https://car.example.com/callback?error=access_denied&state=st%26te",
        "https://car.example.com/callback?error=x&error_description=%1b[31m&state=st%26te"};
    struct fr_oauth_app local = app;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_pasted(&app, wrong[i], NULL, NULL);
    check_pasted(&app, "https://car.example.com/callback?code=EU_a.b-c&state=st%26te&issuer=x",
                 "EU_a.b-c", "eu");
    check_pasted(&app, " \"HTTPS://Car.Example.com/callback/?state=st%26te&code=na_1#f\" \n",
                 "na_1", "na");
    check_pasted(&app, "car.example.com/callback?state=st%26te&code=LONGER_1", "LONGER_1", "");
    check_pasted(&app, "car.example.com/callback?state=st%26te&code=plain", "plain", "");
    local.redirect_uri = "http://localhost:8080/cb?a=b";
    check_pasted(&local, "http://localhost:8080/cb?a=b&state=st%26te&code=EU_1", "EU_1", "eu");
}
END_TEST

START_TEST(the_link_has_all_parameters)
{
    char *state = fr_oauth_state(), *other = fr_oauth_state(), *link = fr_oauth_link(&app, state);
    const char *query = strchr(link, '?') + 1;
    char *value;

    ck_assert_uint_eq(strlen(state), 32);
    ck_assert_uint_eq(strspn(state, "0123456789abcdef"), 32);
    ck_assert_str_ne(state, other);
    ck_assert_ptr_eq(strstr(link, "https://auth.tesla.com/oauth2/v3/authorize?response_type=code&"),
                     link);
    ck_assert_ptr_null(strstr(link, "s3cret"));
#define CHECK(name, wanted)                                                                        \
    value = fr_form_get(query, strlen(query), name);                                               \
    ck_assert_str_eq(value, wanted);                                                               \
    free(value)
    CHECK("client_id", "an id&");
    CHECK("redirect_uri", "https://car.example.com/callback");
    CHECK("scope", FR_OAUTH_SCOPES);
    CHECK("state", state);
    CHECK("prompt_missing_scopes", "true");
#undef CHECK
    free(link);
    free(state);
    free(other);
}
END_TEST

Suite *suite_tokens(void)
{
    Suite *suite = suite_create("tokens");
    TCase *tests = tcase_create("tokens");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, tokens_are_read_as_written);
    tcase_add_test(tests, a_file_that_is_no_tokens_file_is_refused);
    tcase_add_test(tests, a_folder_is_made_and_a_failure_leaves_the_old_file);
    tcase_add_test(tests, one_process_has_the_lock);
    tcase_add_test(tests, the_lock_removes_what_a_killed_process_left);
    tcase_add_test(tests, claims_name_region_and_scopes);
    tcase_add_test(tests, only_hosts_of_the_fleet_api_are_teslas);
    tcase_add_test(tests, the_pasted_address_gives_the_code);
    tcase_add_test(tests, the_link_has_all_parameters);
    suite_add_tcase(suite, tests);
    return suite;
}
