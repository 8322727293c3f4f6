// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/voice_quality.h"

#include <algorithm>
#include <cctype>
#include <cmath>

namespace sallyport::media {
namespace {

// G.113 Appendix I has Ie and Bpl for the first five. Of G.722 and Opus it knows none on the narrowband scale, where a wideband codec can
// be no better than 0.
constexpr CodecImpairment codecs[] = {
    {"PCMU", 0, 25.1, 20, false, "G.113: G.711 with loss concealment"},
    {"PCMA", 0, 25.1, 20, false, "G.113: G.711 with loss concealment"},
    {"G729", 11, 19.0, 25, false, "G.113: G.729A with VAD"},
    {"G723", 15, 16.1, 37.5, false, "G.113: G.723.1 at 6.3 kbit/s with VAD"},
    {"GSM-EFR", 5, 10.0, 20, false, "G.113: GSM EFR"},
    {"G722", 0, 25.1, 21.5, true, "assumed as G.711 with loss concealment"},
    {"opus", 0, 20.0, 26.5, true, "assumed: no impairment, loss concealment somewhat weaker than that of G.711"},
    {"", 0, 4.3, 20, true, "assumed: G.107's defaults, no loss concealment"},
};

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// G.107 table 2, default values.
namespace defaults {
constexpr double slr = 8, rlr = 2, stmr = 15, ds = 3, dr = 3, telr = 65, wepl = 110, qdu = 1, nc = -70, nfor = -64, ps = 35, pr = 35;
constexpr double olr = slr + rlr, lstr = stmr + dr;
}  // namespace defaults

double power(double base, double exponent) { return std::pow(base, exponent); }
double tenth_power(double decibel) { return power(10, decibel / 10); }

// 7.2: signal to noise at the 0 dBr point.
double noise() {
  using namespace defaults;
  const double sender = ps - slr - ds - 100 + 0.004 * power(ps - olr - ds - 14, 2);
  const double room = pr + 10 * std::log10(1 + power(10, (10 - lstr) / 10));
  const double receiver = rlr - 121 + room + 0.008 * power(room - 35, 2);
  return 10 * std::log10(tenth_power(nc) + tenth_power(sender) + tenth_power(receiver) + tenth_power(nfor + rlr));
}

double basic_ratio(double no) { return 15 - 1.5 * (defaults::slr + no); }

// 7.3: loudness, sidetone, quantising.
double simultaneous_impairment(double ro, double no, double t_ms) {
  using namespace defaults;
  const double x = olr + 0.2 * (64 + no - rlr);
  const double loudness = 20 * (power(1 + power(x / 8, 8), 1.0 / 8) - x / 8);
  const double sidetone_rating = -10 * std::log10(tenth_power(-stmr) + std::exp(-t_ms / 4) * tenth_power(-telr));
  const double sidetone = 12 * power(1 + power((sidetone_rating - 13) / 6, 8), 1.0 / 8) - 28 * power(1 + power((sidetone_rating + 1) / 19.4, 35), 1.0 / 35) -
                          13 * power(1 + power((sidetone_rating - 3) / 33, 13), 1.0 / 13) + 29;
  const double q = 37 - 15 * std::log10(qdu);
  const double g = 1.07 + 0.258 * q + 0.0602 * q * q;
  const double quantising = 15 * std::log10(1 + power(10, (ro - 100) / 15 + 46 / 8.4 - g / 9) + power(10, 46.0 / 30 - g / 40));
  return loudness + sidetone + quantising;
}

// 7.4: talker echo, listener echo, and delay as such.
double delay_impairment(double ro, double no, double t_ms) {
  using namespace defaults;
  const double terv = telr - 40 * std::log10((1 + t_ms / 10) / (1 + t_ms / 150)) + 6 * std::exp(-0.3 * t_ms * t_ms);
  const double roe = -1.5 * (no - rlr), re = 80 + 2.5 * (terv - 14);
  const double talker = ((roe - re) / 2 + std::sqrt(power(roe - re, 2) / 4 + 100) - 1) * (1 - std::exp(-t_ms));
  const double rle = 10.5 * (wepl + 7) * power(2 * t_ms + 1, -0.25);
  const double listener = (ro - rle) / 2 + std::sqrt(power(ro - rle, 2) / 4 + 169);
  if (t_ms <= 100) return talker + listener;
  const double x = std::log2(t_ms / 100);
  return talker + listener + 25 * (power(1 + power(x, 6), 1.0 / 6) - 3 * power(1 + power(x / 3, 6), 1.0 / 6) + 2);
}

}  // namespace

const CodecImpairment& codec_impairment(std::string_view codec) {
  const std::string_view name = codec.substr(0, codec.find('/'));
  for (const CodecImpairment& each : codecs)
    if (!each.name.empty() && same_name(each.name, name)) return each;
  return codecs[std::size(codecs) - 1];
}

double transmission_rating(const VoicePath& path, const CodecImpairment& codec) {
  const double t_ms = std::max(path.one_way_ms, 0.0);
  const double loss = std::clamp(path.loss_percent, 0.0, 100.0);
  const double no = noise(), ro = basic_ratio(no);
  // 7.5, with BurstR of 1: loss is taken to be random.
  const double equipment = codec.equipment + (95 - codec.equipment) * loss / (loss + codec.robustness);
  return std::max(ro - simultaneous_impairment(ro, no, t_ms) - delay_impairment(ro, no, t_ms) - equipment, 0.0);
}

double mos_of_rating(double rating) {
  if (rating <= 0) return 1;
  if (rating >= 100) return 4.5;
  // The polynomial dips below 1 for ratings under 6.5.
  return std::max(1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6, 1.0);
}

VoicePath voice_path(const VoiceMeasurement& measured, const CodecImpairment& codec) {
  return {measured.round_trip_ms.value_or(0) / 2 + 2 * measured.jitter_ms + codec.own_delay_ms, measured.loss_percent};
}

double estimated_mos(const VoiceMeasurement& measured, std::string_view codec) {
  const CodecImpairment& impairment = codec_impairment(codec);
  return mos_of_rating(transmission_rating(voice_path(measured, impairment), impairment));
}

}  // namespace sallyport::media
