/* The sentence about the health: the most serious fact, its cause and its remedy. */
#include "unit.h"

#include <string.h>

#include "daemon/health_sentence.h"

static struct fr_health_facts facts;
static struct fr_health_part parts[3];
static struct fr_health_sentence health;

static void begin(void)
{
    parts[0] = (struct fr_health_part){"sink", "archive", FR_HEALTH_UP, "", 0, false};
    parts[1] = (struct fr_health_part){"sink", "home", FR_HEALTH_UP, "", 0, false};
    parts[2] = (struct fr_health_part){"source", "kafka", FR_HEALTH_UP, "", 0, false};
    facts = (struct fr_health_facts){.journal_why = "",
                                     .certificate_why = "89 days left",
                                     .parts = parts,
                                     .part_count = 2,
                                     .connected = 2,
                                     .known = 3};
}

static void expect(enum fr_health_level level, const char *sentence, const char *remedy)
{
    fr_health_sentence(&facts, &health);
    ck_assert_msg(health.level == level, "%s: %s", fr_health_level_word(health.level),
                  health.sentence);
    ck_assert_str_eq(health.sentence, sentence);
    ck_assert_msg(remedy[0] == '\0' ? health.remedy[0] == '\0'
                                    : strstr(health.remedy, remedy) != NULL,
                  "%s", health.remedy);
}

START_TEST(well)
{
    expect(FR_HEALTH_LEVEL_OK, "Everything works; 2 of 3 vehicles are connected.", "");
    facts.connected = facts.known = 1;
    expect(FR_HEALTH_LEVEL_OK, "Everything works; 1 of 1 vehicle is connected.", "");
    facts.connected = 999;
    facts.known = 1234567;
    expect(FR_HEALTH_LEVEL_OK, "Everything works; 999 of 1,234,567 vehicles are connected.", "");
    facts.known = 1;
    facts.connected = 0; /* a parked car sleeps */
    expect(FR_HEALTH_LEVEL_OK, "Everything works; no vehicle is connected now, as when they sleep.",
           "");
    facts.known = 0;
    facts.has_sources = true;
    expect(FR_HEALTH_LEVEL_OK, "Everything works.", "");
}
END_TEST

START_TEST(no_vehicle)
{
    facts.connected = facts.known = 0;
    expect(FR_HEALTH_LEVEL_WARNING, "No vehicle has connected yet.", "fleetroute doctor");
    facts.known = 500;
    expect(FR_HEALTH_LEVEL_WARNING, "None of 500 known vehicles is connected.",
           "fleetroute doctor");
}
END_TEST

START_TEST(sinks_and_sources)
{
    parts[1].health = FR_HEALTH_DOWN;
    parts[1].why = "connection refused.";
    parts[1].waiting = 1;
    expect(FR_HEALTH_LEVEL_FAILURE,
           "The sink \"home\" does not work (1 record waits): connection refused.",
           "wait in the journal");
    parts[1].waiting = 1200;
    parts[0].health = FR_HEALTH_DOWN;
    parts[0].why = "disk full";
    expect(FR_HEALTH_LEVEL_FAILURE,
           "The sink \"archive\" does not work: disk full. 1 further problem.", "Correct");
    parts[0].health = FR_HEALTH_DEGRADED; /* less serious than the sink that is down */
    expect(FR_HEALTH_LEVEL_FAILURE,
           "The sink \"home\" does not work (1,200 records wait): connection refused. 1 further "
           "problem.",
           "Correct");
    parts[1].health = FR_HEALTH_UP;
    expect(FR_HEALTH_LEVEL_WARNING, "The sink \"archive\" is impaired: disk full.", "doctor");
    parts[0].paused = true;
    parts[0].why = "paused by an administrator: …";
    expect(FR_HEALTH_LEVEL_WARNING, "The sink \"archive\" is paused.", "Resume");
    parts[0].health = FR_HEALTH_UP;
    facts.part_count = 3;
    parts[2].health = FR_HEALTH_DOWN;
    parts[2].why = NULL;
    expect(FR_HEALTH_LEVEL_FAILURE, "The source \"kafka\" does not work.", "continues where");
}
END_TEST

START_TEST(what_stops_all_comes_first)
{
    facts.history_failing = true;
    facts.history_why = "no space left on device";
    expect(FR_HEALTH_LEVEL_WARNING, "The history cannot be written: no space left on device.",
           "Charts");
    facts.handshakes_waiting = 7;
    facts.keep_warning = true;
    facts.keep_why = "log in again";
    expect(FR_HEALTH_LEVEL_WARNING,
           "The configuration of vehicles at Tesla needs attention: log in again. 2 further "
           "problems.",
           "fleetroute keep");
    facts.certificate = FR_CERTIFICATE_EXPIRES_SOON;
    facts.certificate_why = "it expires on 2026-12-01";
    expect(FR_HEALTH_LEVEL_WARNING,
           "The certificate of this server will expire soon: it expires on 2026-12-01. 3 further "
           "problems.",
           "Renew");
    parts[0].health = FR_HEALTH_DOWN;
    parts[0].why = "x";
    expect(FR_HEALTH_LEVEL_FAILURE, "The sink \"archive\" does not work: x. 4 further problems.",
           "Correct");
    facts.out_of_descriptors = true;
    expect(FR_HEALTH_LEVEL_FAILURE,
           "New vehicles cannot connect, because no file descriptor is free. 5 further problems.",
           "LimitNOFILE=");
    facts.certificate = FR_CERTIFICATE_EXPIRED;
    expect(FR_HEALTH_LEVEL_FAILURE,
           "Vehicles refuse the certificate of this server: it expires on 2026-12-01. 5 further "
           "problems.",
           "Renew");
    facts.journal_stuck = true;
    facts.journal_why = "journal: /j: no space left on device";
    expect(FR_HEALTH_LEVEL_FAILURE,
           "No record is accepted, because the journal cannot be written: journal: /j: no space "
           "left on device. 6 further problems.",
           "free space");
}
END_TEST

START_TEST(long_causes_are_cut)
{
    char why[2000];

    memset(why, 'w', sizeof why);
    why[sizeof why - 1] = '\0';
    facts.keep_warning = true;
    facts.keep_why = why;
    facts.handshakes_waiting = 1;
    fr_health_sentence(&facts, &health);
    ck_assert_uint_lt(strlen(health.sentence), sizeof health.sentence);
    ck_assert_ptr_nonnull(strstr(health.sentence, "w. 1 further problem."));
}
END_TEST

Suite *suite_health_sentence(void)
{
    Suite *suite = suite_create("health_sentence");
    TCase *tests = tcase_create("health_sentence");

    tcase_add_checked_fixture(tests, begin, NULL);
    tcase_add_test(tests, well);
    tcase_add_test(tests, no_vehicle);
    tcase_add_test(tests, sinks_and_sources);
    tcase_add_test(tests, what_stops_all_comes_first);
    tcase_add_test(tests, long_causes_are_cut);
    suite_add_tcase(suite, tests);
    return suite;
}
