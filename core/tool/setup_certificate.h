/* Steps of setup for the TLS files: the server's certificate, and the CAs of vehicles. */
#ifndef FR_SETUP_CERTIFICATE_H
#define FR_SETUP_CERTIFICATE_H

#include "tool/setup.h"

extern const struct fr_setup_step fr_setup_step_certificate;
extern const struct fr_setup_step fr_setup_step_vehicle_ca;

#endif
