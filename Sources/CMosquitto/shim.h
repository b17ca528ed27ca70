// libmosquitto, the client library. No logic lives here.
#ifndef NEXUS_CMOSQUITTO_H
#define NEXUS_CMOSQUITTO_H

#include <mosquitto.h>
#include <mqtt_protocol.h>

#endif
