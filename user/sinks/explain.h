// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "user/base/json.h"
#include "user/model/diagnosis/diagnosis.h"
#include "user/model/diagnosis/evidence_json.h"

namespace netsonde {

// The diagnosis as the contract has it: one object.
Json to_json(const Diagnosis& diagnosis, const Observation& observation);

// Parts of it. One connection has an identity; several share what they were grouped by.
Json to_json(const Subject& subject, const Snapshot& now);
Json to_json(const Impact& impact);

// The diagnosis in plain words, worst first, with the evidence under each finding; lines of at most
// width columns.
std::string to_text(const Diagnosis& diagnosis, const Observation& observation, int width);

// "curl[812] > 10.0.0.7:443, 3 connections"; "nginx[41] listening on 0.0.0.0:80"; "eth0".
std::string subject_text(const Subject& subject);

}  // namespace netsonde
