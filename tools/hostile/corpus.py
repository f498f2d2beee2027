"""Makes a catalogue of sound and hostile audio files, and checks what `homonym extract` makes of it.

    python3 tools/hostile/corpus.py make DIR [--seed N] [--long]
    python3 tools/hostile/corpus.py check DIR --homonym target/release/homonym

`make` writes DIR/files, DIR/all.csv (the catalogue of them), DIR/manifest.csv (which outcomes of the health report each may
have) and DIR/tables (catalogues, with the exit code and the words they should lead to). `check` extracts all.csv, compares
every outcome with the manifest, extracts the files that were taken on their own, compares the two stores byte by byte, reads
the tables, and prints time and memory. `--long` adds ten hours of sound, three days of silence in half a megabyte and
a table of a million rows.

Python's standard library only. The same seed makes the same bytes. Coded files are damaged copies of tests/audio.
"""

import argparse
import array
import csv
import json
import math
import os
import pathlib
import random
import resource
import shutil
import struct
import subprocess
import sys
import time

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "tests/audio"
CODED = ["mono.flac", "stereo.flac", "stereo-cbr.mp3", "mono-vbr.mp3", "mono.ogg", "stereo.ogg", "stereo.m4a", "mono.aac"]
TAKEN = ["ok", "clipped", "offset", "short", "patched"]
# What a file may turn out to be whose bytes are damaged somewhere.
ANY = TAKEN + ["not_audio", "unsupported", "damaged", "truncated", "no_samples", "bad_rate", "too_short", "silent", "non_finite", "too_long"]


def tone(rate, seconds, channels=1, amplitude=0.5, offset=0.0):
    """Samples of a tone, channels interleaved; whole periods, so that one second may be repeated."""
    second = [offset + amplitude * math.sin(2 * math.pi * 440 * i / rate) for i in range(rate)]
    mono = (second * (int(seconds) + 1))[: int(rate * seconds)]
    return [sample for sample in mono for _ in range(channels)] if channels > 1 else mono


def pcm(samples, bits=16):
    if bits == 8:
        return bytes(min(255, max(0, round(128 + 127 * s))) for s in samples)
    if bits == 16:
        return array.array("h", (max(-32768, min(32767, round(32767 * s))) for s in samples)).tobytes()
    width = bits // 8
    top = (1 << (bits - 1)) - 1
    return b"".join(max(-top - 1, min(top, round(top * s))).to_bytes(width, "little", signed=True) for s in samples)


def fmt(tag, channels, rate, bits, frame_bytes=None):
    frame_bytes = channels * bits // 8 if frame_bytes is None else frame_bytes
    return struct.pack("<HHIIHH", tag, channels, rate, rate * frame_bytes & 0xFFFFFFFF, frame_bytes, bits)


def riff(*chunks):
    body = b"WAVE" + b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def wav(samples, rate=22050, channels=1, bits=16):
    return riff((b"fmt ", fmt(1, channels, rate, bits)), (b"data", pcm(samples, bits)))


def float_wav(samples, rate=22050):
    return riff((b"fmt ", fmt(3, 1, rate, 32)), (b"data", struct.pack(f"<{len(samples)}f", *samples)))


def crc(data, polynomial, width):
    value, top = 0, 1 << (width - 1)
    for byte in data:
        value ^= byte << (width - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & ((1 << width) - 1)
    return value


def silent_flac(seconds):
    """FLAC whose frames are one constant each and whose header does not say how long it is."""
    blocks = int(seconds * 44100 / 65535) + 1
    info = struct.pack(">HH", 65535, 65535) + bytes(6) + (44100 << 44 | 15 << 36).to_bytes(8, "big") + bytes(16)
    out = bytearray(b"fLaC\x80" + len(info).to_bytes(3, "big") + info)
    for number in range(blocks):
        head = b"\xff\xf8\x79\x08" + chr(number).encode("utf-8", "surrogatepass") + b"\xff\xfe"
        frame = head + bytes([crc(head, 0x07, 8)]) + b"\x00\x00\x00"
        out += frame + crc(frame, 0x8005, 16).to_bytes(2, "big")
    return bytes(out)


def with_id3_picture(mp3, size, claimed=None):
    picture = b"\0image/png\0\x03\0" + bytes(size)
    frame = b"APIC" + struct.pack(">I", len(picture)) + b"\0\0" + picture
    length = len(frame) if claimed is None else claimed
    return b"ID3\x03\0\0" + bytes(length >> shift & 127 for shift in (21, 14, 7, 0)) + frame + mp3


def with_flac_picture(flac, size, claimed=None):
    picture = struct.pack(">II", 3, 9) + b"image/png" + bytes(20) + struct.pack(">I", size if claimed is None else claimed) + bytes(size)
    info = 4 + 4 + 34
    return flac[:info].replace(b"fLaC\x80", b"fLaC\0") + b"\x06" + len(picture).to_bytes(3, "big") + picture + flac[info:]


def without_first_frame(mp3):
    """MP3 (MPEG 1, layer III) without the frame that says how long it is."""
    start = next(i for i in range(len(mp3)) if mp3[i] == 0xFF and mp3[i + 1] & 0xE0 == 0xE0)
    header = int.from_bytes(mp3[start : start + 4], "big")
    kilobits = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320][header >> 12 & 15]
    rate = [44100, 48000, 32000][header >> 10 & 3]
    return mp3[start + 144000 * kilobits // rate + (header >> 9 & 1) :]


class Corpus:
    def __init__(self, folder, seed):
        self.folder, self.random, self.rows, self.manifest = folder, random.Random(seed), [], []
        (folder / "files").mkdir(parents=True)

    def list(self, cell, expected):
        expected = [expected] if isinstance(expected, str) else expected
        self.manifest.append((cell, "|".join(expected)))

    def add(self, name, data, expected):
        (self.folder / "files" / name).write_bytes(data)
        self.list(f"files/{name}", expected)

    def sound(self):
        for rate in [8000, 11025, 16000, 22050, 32000, 44056, 44100, 48000, 88200, 96000, 176400, 192000]:
            self.add(f"rate-{rate}.wav", wav(tone(rate, 3.2), rate), "ok")
        for channels in range(1, 9):
            self.add(f"channels-{channels}.wav", wav(tone(22050, 3.2, channels), 22050, channels), "ok")
        for bits in [8, 16, 24, 32]:
            self.add(f"bits-{bits}.wav", wav(tone(22050, 3.2), 22050, 1, bits), "ok")
        self.add("float.wav", float_wav(tone(22050, 3.2)), "ok")
        for name in CODED:
            self.add(name, (FIXTURES / name).read_bytes(), "short")
        self.add("wrong-extension.flac", wav(tone(22050, 3.2)), "ok")
        self.add("wrong-extension.wav", (FIXTURES / "mono.ogg").read_bytes(), "short")
        self.add("no-extension", (FIXTURES / "mono.flac").read_bytes(), "short")
        flac, mp3 = (FIXTURES / "mono.flac").read_bytes(), (FIXTURES / "mono-vbr.mp3").read_bytes()
        self.add("vbr-without-header.mp3", without_first_frame(mp3), "short")
        self.add("picture.mp3", with_id3_picture(mp3, 5_000_000), "short")
        self.add("picture.flac", with_flac_picture(flac, 5_000_000), "short")
        piped = bytearray(wav(tone(22050, 3.2)))
        piped[40:44] = b"\xff\xff\xff\xff"
        self.add("piped.wav", bytes(piped), "ok")

    def odd(self):
        self.add("clipped.wav", wav([max(-1, min(1, 3 * s)) for s in tone(22050, 3.2)]), "clipped")
        self.add("loud-floats.wav", float_wav(tone(22050, 3.2, amplitude=100.0)), "clipped")
        self.add("offset.wav", wav(tone(22050, 3.2, amplitude=0.3, offset=0.4)), "offset")
        self.add("silence.wav", wav([0.0] * 70560), "silent")
        self.add("dc.wav", wav([0.25] * 70560), "silent")
        self.add("faint.wav", float_wav(tone(22050, 3.2, amplitude=1e-6)), "silent")
        self.add("one-sample.wav", wav([0.5]), "too_short")
        self.add("one-window.wav", wav(tone(22050, 0.05)), "short")
        samples = tone(22050, 3.2)
        for name, value in [("nan", math.nan), ("infinite", math.inf), ("minus-infinite", -math.inf)]:
            self.add(f"{name}.wav", float_wav(samples[:40000] + [value] + samples[40001:]), "non_finite")
        # Finite, but their power is not.
        self.add("huge-floats.wav", float_wav(tone(22050, 3.2, amplitude=1e38)), "non_finite")

    def lies(self):
        sound = pcm(tone(22050, 3.2))
        data = (b"data", sound)
        for rate in [0, 1, 999, 768001]:
            self.add(f"rate-{rate}.wav", riff((b"fmt ", fmt(1, 1, rate, 16)), data), "bad_rate")
        # Far from any rate in use, and without a common divisor with 22,050: what the largest blocks take.
        self.add("deaf.wav", riff((b"fmt ", fmt(1, 0, 22050, 16)), data), "damaged")
        self.add("channels-65535.wav", riff((b"fmt ", fmt(1, 65535, 22050, 8)), (b"data", sound * 4)), ["too_short", "no_samples"])
        self.add("rate-767999.wav", riff((b"fmt ", fmt(1, 1, 767999, 16)), (b"data", sound * 8)), "bad_rate")
        self.add("rate-262139.wav", riff((b"fmt ", fmt(1, 1, 262139, 16)), (b"data", sound * 8)), "short")
        self.add("no-data.wav", riff((b"fmt ", fmt(1, 1, 22050, 16))), "truncated")
        self.add("empty-data.wav", riff((b"fmt ", fmt(1, 1, 22050, 16)), (b"data", b"")), "no_samples")
        self.add("no-format.wav", riff(data), "damaged")
        self.add("adpcm.wav", (FIXTURES / "adpcm.wav").read_bytes(), "unsupported")
        self.add("aiff.aiff", (FIXTURES / "mono.aiff").read_bytes(), "unsupported")
        self.add("opus.opus", (FIXTURES / "mono.opus").read_bytes(), "unsupported")
        self.add("rf64.wav", b"RF64" + wav(tone(22050, 1))[4:], "unsupported")
        for claimed in [1 << 20, 1 << 30]:
            liar = bytearray(riff((b"fmt ", fmt(1, 1, 22050, 16)), data))
            liar[40:44] = struct.pack("<I", claimed)
            self.add(f"claims-{claimed}.wav", bytes(liar), "truncated")
        flac, mp3 = (FIXTURES / "mono.flac").read_bytes(), (FIXTURES / "mono-vbr.mp3").read_bytes()
        self.add("lying-picture.mp3", with_id3_picture(mp3, 1000, (1 << 28) - 1), ANY)
        self.add("lying-picture.flac", with_flac_picture(flac, 1000, 0xFFFFFFFF), ANY)
        self.add("days.flac", flac[:21] + b"\xff" * 5 + flac[26:], ["too_long", "damaged"])
        self.add("boxes.m4a", b"\0\0\0\x08ftyp" + b"\0\0\0\x08free" * 200_000, ANY)
        self.add("empty.mp3", b"", "empty")
        self.add("text.mp3", b"Dear listener, this is no sound at all.\n" * 100, "not_audio")
        self.add("picture-not-sound.flac", b"\x89PNG\r\n\x1a\n" + bytes(5000), "not_audio")
        self.add("noise.ogg", self.random.randbytes(20_000), ANY)
        self.add("zeros.mp3", bytes(20_000), ["not_audio", "no_samples", "damaged"])

    def damaged(self):
        for name in ["bits-16.wav", "float.wav"] + CODED:
            data = (self.folder / "files" / name).read_bytes()
            places = {1, 3, 4, 8, 11, 12, 20, 35, 36, 43, 44, 64, len(data) - 1}
            for length in sorted(place for place in places | {len(data) * part // 16 for part in range(1, 16)} if place < len(data)):
                self.add(f"cut-{length}-{name}", data[:length], ANY)
            for number in range(24):
                broken = bytearray(data)
                reach = min(len(data), 256) if number % 2 else len(data)
                for _ in range(1 << number % 5):
                    broken[self.random.randrange(reach)] ^= 1 << self.random.randrange(8)
                self.add(f"flip-{number}-{name}", bytes(broken), ANY)
        whole = wav(tone(22050, 3.2))
        for share in [0.2, 0.5, 0.8]:
            self.add(f"cut-at-{share}.wav", whole[: int(len(whole) * share)], "truncated")

    def nowhere(self):
        files = self.folder / "files"
        (files / "folder.wav").mkdir()
        self.list("files/folder.wav", "not_a_file")
        os.mkfifo(files / "pipe.wav")
        self.list("files/pipe.wav", "not_a_file")
        for name, target, expected in [
            ("dangling.wav", "nowhere.wav", "missing"),
            ("loop.wav", "loop.wav", "unreadable"),
            ("device.wav", "/dev/zero", "not_a_file"),
            ("link.wav", "bits-16.wav", "ok"),
        ]:
            (files / name).symlink_to(target)
            self.list(f"files/{name}", expected)
        self.add("locked.wav", wav(tone(22050, 3.2)), "ok" if os.geteuid() == 0 else "unreadable")
        (files / "locked.wav").chmod(0)
        self.list("files/nowhere.wav", "missing")
        self.list("files/" + "x" * 300 + ".wav", "unreadable")
        self.list("files/nul\0.wav", "unreadable")

    def names(self):
        data = wav(tone(22050, 3.2))
        for name in ["two\nlines.wav", 'quo"te,comma.wav', "=cmd|' !A0.wav", "\x1b[2J\x1b]0;owned\x07.wav", "right\u202eto left.wav",
                     "<script>alert(1)<script>.wav", " space .wav", "%20.wav", "日本.wav", "é" * 120 + ".wav"]:
            self.add(name, data, "ok")
        (self.folder / "files").joinpath(os.fsdecode(b"caf\xe9.wav")).write_bytes(data)
        self.list("file:files/caf%E9.wav", "ok")
        self.list(f"file://{os.path.abspath(self.folder)}/files/two%0Alines.wav", "ok")

    def long(self):
        path = self.folder / "files/ten-hours.wav"
        blip = pcm(tone(8000, 60))
        with open(path, "wb") as file:
            file.write(riff((b"fmt ", fmt(1, 1, 8000, 16)), (b"data", b""))[:40] + struct.pack("<I", 36000 * 16000))
            for hour in range(10):
                file.seek(44 + hour * 3600 * 16000)
                file.write(blip)
            file.truncate(44 + 36000 * 16000)
        self.list("files/ten-hours.wav", "ok")
        self.add("three-days-of-silence.flac", silent_flac(3 * 86400), "too_long")

    def write(self):
        with open(self.folder / "all.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "artist", "title"])
            writer.writerows((cell, "somebody", f"number {number}") for number, (cell, _) in enumerate(self.manifest))
        with open(self.folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("path", "outcomes"), *self.manifest])


def tables(folder, long):
    """Catalogues by name, each with the exit code and words that they lead to."""
    folder.mkdir()
    (folder / "a.wav").write_bytes(wav(tone(22050, 3.2)))
    cases = {
        "bom": (b"\xef\xbb\xbfpath,artist\na.wav,x\n", 0, ""),
        "crlf": (b"path,artist\r\na.wav,x\r\n", 0, ""),
        "newlines": (b'path,artist,title\na.wav,x,"one\ntwo"\n', 0, ""),
        "nul": (b"path,artist\na.wav,x\n\0,x\n", 3, "unreadable"),
        "blank-lines": (b"path,artist\n\na.wav,x\n\n", 0, ""),
        "twice-path": (b"path,artist\na.wav,x\na.wav,y\n", 1, "every track once"),
        "twice-id": (b"track_id,path,artist\n1,a.wav,x\n1,b.wav,y\n", 1, "every track once"),
        "no-path": (b"file,artist\na.wav,x\n", 1, 'a column "path"'),
        "no-artist": (b"path,name\na.wav,x\n", 1, 'a column "artist"'),
        "twice-column": (b"path,artist,path\na.wav,x,y\n", 1, "twice in line 1"),
        "ragged": (b"path,artist\na.wav\n", 1, "line 2"),
        "open-quote": (b'path,artist\n"a.wav,x\n', 1, "line"),
        "empty": (b"", 1, "an empty file"),
        "header-only": (b"path,artist\n", 0, ""),
        "latin-1": (b"path,artist\ncaf\xe9.wav,x\n", 1, "line 2"),
        "utf-16": ("path,artist\na.wav,x\n".encode("utf-16"), 1, "UTF-8"),
        "empty-path": (b"path,artist\n,x\n", 1, "a path in every row"),
    }
    if long:
        rows = b"".join(b"gone/%07d.wav,artist %d,\"title, %d\"\n" % (i, i % 5000, i) for i in range(1_000_000))
        cases["million"] = (b"path,artist,title\na.wav,x,t\n" + rows, 3, "missing")
    expectations = {}
    for name, (data, code, says) in cases.items():
        (folder / f"{name}.csv").write_bytes(data)
        expectations[name] = [code, says]
    (folder / "expected.json").write_text(json.dumps(expectations))


def make(folder, seed, long):
    if folder.exists():
        shutil.rmtree(folder)
    corpus = Corpus(folder, seed)
    for part in [corpus.sound, corpus.odd, corpus.lies, corpus.damaged, corpus.nowhere, corpus.names]:
        part()
    if long:
        corpus.long()
    corpus.write()
    tables(folder / "tables", long)
    print(f"{len(corpus.manifest)} files in {folder}")


def run(homonym, *arguments):
    """Exit code, what was told, seconds and the most memory that any child has had so far, in MB."""
    begin = time.monotonic()
    done = subprocess.run([homonym, *map(str, arguments)], capture_output=True, timeout=3600)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return done.returncode, (done.stdout + done.stderr).decode("utf-8"), time.monotonic() - begin, memory


def check(folder, homonym):
    problems = []
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
        manifest = dict(list(csv.reader(file))[1:])
    for store in ["good.store", "all.store", "again.store"]:
        shutil.rmtree(folder / store, ignore_errors=True)
    code, told, seconds, memory = run(homonym, "extract", folder / "all.csv", "--out", folder / "all.store", "--report", folder / "health.csv")
    print(f"all files: exit code {code}, {seconds:.1f} s, at most {memory:.0f} MB")
    if code != 3:
        problems.append(f"exit code {code}, not 3: {told[-2000:]}")
    if unruly := {character for character in told if (ord(character) < 32 and character not in "\n\t\r") or character in "\x7f\u202e"}:
        problems.append(f"control characters on the terminal: {unruly}")
    with open(folder / "health.csv", newline="", encoding="utf-8") as file:
        health = {row["path"]: row for row in csv.DictReader(file)}
    counts = {}
    for cell, expected in manifest.items():
        row = health.get(cell)
        if row is None:
            problems.append(f"{cell!r} is not in the report")
            continue
        counts[row["outcome"]] = counts.get(row["outcome"], 0) + 1
        if row["outcome"] not in expected.split("|"):
            problems.append(f"{cell!r} is {row['outcome']} and not {expected}: {row['detail']}")
    print("outcomes:", ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    slowest = max(health.values(), key=lambda row: float(row["took"] or 0))
    print(f"slowest file: {slowest['path']!r}, {float(slowest['took']):.2f} s")

    # What the damaged copies gave is in the store, too; the good files alone are those that the report takes.
    with open(folder / "all.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    with open(folder / "good.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *(row for row in rows if health[row[0]]["outcome"] in TAKEN)])
    code, told, seconds, _ = run(homonym, "extract", folder / "good.csv", "--out", folder / "good.store")
    if code != 0:
        problems.append(f"the good files alone: exit code {code}: {told[-2000:]}")
    for name in ["frames.bin", "blocks.bin", "index.bin", "tracks.csv"]:
        if (folder / "good.store" / name).read_bytes() != (folder / "all.store" / name).read_bytes():
            problems.append(f"{name} of the good files differs where bad ones are among them")
    for store in ["good.store", "all.store"]:
        code, told, *_ = run(homonym, "verify", folder / store)
        if code != 0:
            problems.append(f"verify {store}: {told}")

    for name, (expected, says) in json.loads((folder / "tables/expected.json").read_text()).items():
        shutil.rmtree(folder / "again.store", ignore_errors=True)
        report = folder / "tables" / f"{name}.jsonl"
        code, told, seconds, memory = run(homonym, "extract", folder / "tables" / f"{name}.csv", "--out", folder / "again.store", "--report", report)
        if seconds > 5:
            print(f"table {name}: {seconds:.1f} s, at most {memory:.0f} MB")
        if code != expected or says not in told:
            problems.append(f"table {name}: exit code {code}, not {expected}, or no {says!r}: {told[-500:]}")
    for problem in problems:
        print("PROBLEM:", problem)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "check"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--homonym", default="target/release/homonym")
    arguments = parser.parse_args()
    if arguments.what == "make":
        return make(arguments.folder, arguments.seed, arguments.long)
    return check(arguments.folder, arguments.homonym)


if __name__ == "__main__":
    sys.exit(main())
