# SPDX-License-Identifier: Apache-2.0
"""Tones: written as sound files, found again in recordings, and recognised as G.711 bytes."""
import array
import math
import sys
import wave

RATE_HZ = 8000
AMPLITUDE = 12000


def samples(frequency_hz, count, phase=0):
    step = 2 * math.pi * frequency_hz / RATE_HZ
    return [round(AMPLITUDE * math.sin(step * (phase + i))) for i in range(count)]


def write_wav(path, frequency_hz, seconds):
    """A mono 16 bit file: whole cycles of the tone, over and over."""
    data = array.array("h", samples(frequency_hz, cycle_samples(frequency_hz)))
    if sys.byteorder == "big":
        data.byteswap()
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(data.tobytes() * (RATE_HZ * seconds // len(data)))


def cycle_samples(frequency_hz):
    """After so many samples the tone repeats exactly."""
    return RATE_HZ // math.gcd(RATE_HZ, frequency_hz)


def energy_share(data, frequency_hz, rate_hz=RATE_HZ):
    """Share of the signal's energy at one frequency (Goertzel): 1.0 for the pure tone, 0 for silence."""
    total = sum(v * v for v in data)
    if total == 0:
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * frequency_hz / rate_hz)
    before = last = 0.0
    for value in data:
        before, last = last, value + coefficient * last - before
    power = last * last + before * before - coefficient * last * before
    return 2 * power / (total * len(data))


def tone_seconds(path, frequency_hz, window_s=0.1, threshold=0.6):
    """For how many seconds of a recording the tone dominates; 0 for a file without sound yet."""
    try:
        with wave.open(str(path)) as recording:
            rate_hz, channels = recording.getframerate(), recording.getnchannels()
            frames = recording.readframes(recording.getnframes())
    except (wave.Error, EOFError):
        return 0.0
    data = array.array("h", frames[:len(frames) // 2 * 2])[::channels]
    size = int(rate_hz * window_s)
    hits = sum(energy_share(data[at:at + size], frequency_hz, rate_hz) > threshold
               for at in range(0, len(data) - size + 1, size))
    return hits * window_s


def pcmu(value):
    """One 16 bit sample as G.711 mu-law (ITU-T G.711, the usual 14 bit segment form)."""
    sign = 0x80 if value < 0 else 0
    magnitude = min(abs(value), 32635) + 132
    exponent = magnitude.bit_length() - 8
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~(sign | exponent << 4 | mantissa) & 0xFF


def pcmu_cycle(frequency_hz, run_bytes):
    """The tone as mu-law, one whole cycle and `run_bytes` more: every run of it is a substring."""
    return bytes(pcmu(v) for v in samples(frequency_hz, cycle_samples(frequency_hz) + run_bytes))
