// Random crashes and damage against the log and the snapshot store alone, many short lives a seed:
// what was acknowledged comes back, what is damaged is refused, and nothing else is.
import { logIndex } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { nodeDigest, openSnapshotStore } from '@quorate/snapshot-store';
import { DiskClock } from '../src/disk/disk-clock.ts';
import { SimulatedDisk } from '../src/disk/simulated-disk.ts';
import { acceptRecord, HARNESS_DIRECTORY, WalHarness } from '../src/disk/wal-harness.ts';
import { searchSeeds } from './search-arguments.mjs';

const LIVES = 5;
const DIRECTORY = 'snapshots';

function must(holds, text) {
  if (!holds) throw new Error(text);
}

const sizeOf = (index) => 10 + ((index * 7919) % 1800);

function liveLogs(seed) {
  const random = createRandom(`storage ${seed}`);
  const harness = new WalHarness(`storage ${seed}`, {
    segmentBytes: 16_384 * (1 + random.below(2)),
    writeThrough: random.below(2) === 0,
    sync: random.below(4) === 0 ? 'each' : 'group',
  });
  const log = { acked: 0, appended: 0, released: 0, provable: 0, flipped: false };
  for (let life = 0; life < LIVES; life++) {
    const { error, opened } = harness.tryOpen({ create: life === 0 });
    if (log.flipped && error?.code === 'WAL_ERR_CORRUPT') return; // Refused, as it should be.
    must(error === null && opened !== null, `S1: life ${life}: ${error?.message}`);
    checkRecords(opened.records, log);
    liveLog(harness, opened.wal, log, random);
    damageLog(harness, log, random);
  }
}

function checkRecords(records, log) {
  const entries = [...records].filter(({ kind }) => kind === 2);
  const last = entries.at(-1)?.index ?? 0;
  const kept = log.flipped ? log.provable : log.acked;
  must(last >= kept, `S1: ${kept} entries were durable, ${last} came back`);
  must(last <= log.appended, `S1: entry ${last} came back and was never appended`);
  entries.forEach((record, i) => {
    const { index, payload } = record;
    const follows = i === 0 ? index <= log.released + 1 : index === entries[i - 1].index + 1;
    must(follows, `S6: entry ${index} leaves a gap`);
    const { payload: wanted } = acceptRecord(index, sizeOf(index));
    must(Buffer.compare(payload, wanted) === 0, `S3: entry ${index} has other bytes`);
  });
  Object.assign(log, { acked: last, appended: last, provable: 0, flipped: false });
}

function liveLog(harness, wal, log, random) {
  const { disk, clock } = harness;
  wal.setCheckpointSource(() => []);
  let struck = false;
  const strikeAt = disk.effectCount + 1 + random.below(60);
  // A failed sync and a kill before its mark is on disk are two faults at once: the next process
  // cannot know that the cache lies, and what it writes behind it may be refused later.
  const fails = random.below(4) === 0;
  disk.onEffect = (number) => {
    if (number < strikeAt || struck) return;
    struck = true;
    if (!fails && random.below(3) === 0) disk.kill();
    else disk.powerCut();
  };
  if (fails) {
    const operation = random.below(2) === 0 ? 'sync' : 'write';
    disk.inject({ operation, effect: 'error', skip: random.below(8) });
  }
  const acked = [];
  for (let batch = 0; batch < 40 && !struck; batch++) {
    const records = [];
    for (let count = random.below(4); count >= 0; count--) {
      const index = ++log.appended;
      records.push(acceptRecord(index, sizeOf(index)));
    }
    const through = log.appended;
    wal.append(records, true, () => {
      log.acked = Math.max(log.acked, through);
      if (acked.at(-1)?.at !== clock.now()) acked.push({ at: clock.now(), through });
      acked.at(-1).through = log.acked;
    });
    if (random.below(5) === 0 && log.acked > 0) {
      const index = Math.max(log.released, log.acked - random.below(6));
      log.released = index;
      wal.release(logIndex(index));
    }
    clock.run(clock.now() + random.below(400), () => struck);
  }
  disk.onEffect = null;
  if (!struck) disk.powerCut();
  disk.heal();
  // A later group proves that this one was durable; what was told last may have no such proof.
  log.provable = acked.at(-2)?.through ?? 0;
}

/** Flips one bit in what is durable, now and then: it must be refused or lie in the last group. */
function damageLog({ disk }, log, random) {
  if (random.below(3) !== 0) return;
  const names = disk.names(HARNESS_DIRECTORY).filter((name) => name.startsWith('wal-segment'));
  const path = `${HARNESS_DIRECTORY}/${names[random.below(names.length)]}`;
  const { length } = disk.contents(path);
  if (length === 0) return;
  disk.flipBit(path, random.below(length), random.below(8));
  log.flipped = true;
}

function bytesOf(index) {
  const bytes = new Uint8Array(200 + ((index * 7919) % 9000));
  return bytes.fill(index % 251);
}

function describing(index) {
  const membership = { voters: [], learners: [], witnesses: [] };
  return { index: logIndex(index), membership, engine: new Uint8Array(0) };
}

function liveStores(seed) {
  const random = createRandom(`store ${seed}`);
  const clock = new DiskClock();
  const disk = new SimulatedDisk({ clock, random: createRandom(`store disk ${seed}`) });
  const world = { clock, disk, random, named: [], index: 0, damaged: null };
  for (let life = 0; life < LIVES; life++) {
    let opened = null;
    let failure = null;
    const options = { directory: DIRECTORY, clock, createDigest: nodeDigest, named: world.named };
    openSnapshotStore({ ...options, disk: disk.mount() }, (error, found) => {
      failure = error;
      opened = found;
    });
    clock.run();
    if (world.damaged !== null && world.damaged === world.named.at(-1)) {
      must(failure !== null, 'ST-12: a damaged snapshot is opened without a word');
      return;
    }
    must(
      failure === null && opened !== null,
      `S6: the named snapshot is gone: ${failure?.message}`,
    );
    liveStore(world, opened.store);
  }
}

function liveStore(world, store) {
  const { clock, disk, random } = world;
  let struck = false;
  const strikeAt = disk.effectCount + 1 + random.below(60);
  disk.onEffect = (number) => {
    if (number < strikeAt || struck) return;
    struck = true;
    disk.powerCut();
  };
  const name = (meta) => {
    world.named.push(meta);
    store.named(meta);
  };
  for (let step = 0; step < 8 && !struck; step++) {
    world.index++;
    if (random.below(3) === 0) receive(world, store, name);
    else write(world, store, name);
    const latest = store.latest;
    if (latest !== null && random.below(2) === 0) restore(store, latest, () => struck);
    clock.run(clock.now() + random.below(3000), () => struck);
  }
  clock.run(clock.now() + 20_000, () => struck);
  disk.onEffect = null;
  if (!struck) disk.powerCut();
  const last = world.named.at(-1);
  if (last === undefined || random.below(3) !== 0) return;
  const file = disk.names(DIRECTORY).find((one) => one.includes(last.digest.slice(0, 16)));
  if (file === undefined) return; // The next opening says so.
  disk.flipBit(`${DIRECTORY}/${file}`, random.below(last.bytes), random.below(8));
  world.damaged = last;
}

function write({ index }, store, name) {
  const slices = [bytesOf(index)];
  const reader = { next: () => slices.pop() ?? null, close() {} };
  store.write(describing(index), reader, (error, meta) => {
    if (error === null) name(meta);
  });
}

/** A peer's snapshot, of which now and then one bit is wrong. */
function receive({ index, random }, store, name) {
  const bytes = bytesOf(index);
  const digest = nodeDigest();
  digest.update(bytes);
  const meta = { ...describing(index), digest: digest.finishHex(), bytes: bytes.length };
  const broken = random.below(2) === 0;
  const sent = bytes.slice();
  if (broken) sent[random.below(sent.length)] ^= 1;
  store.install(meta, (error, install) => {
    if (error !== null) return;
    install.write(0, sent, (failed) => {
      if (failed !== null) return;
      install.finish((refusal) => {
        must(refusal !== null || !broken, 'ST-12: a damaged transfer is taken for whole');
        if (refusal === null) name(meta);
      });
    });
  });
}

/** A restore ends well and with the right bytes, whatever is named meanwhile. */
function restore(store, meta, over) {
  let length = 0;
  store.restore(
    meta,
    (slice) => {
      length += slice.length;
      const wrong = slice.some((byte) => byte !== meta.index % 251);
      must(!wrong, `C8: snapshot ${meta.index} is restored with other bytes`);
    },
    (error) => {
      if (over()) return;
      must(error === null, `S6: a kept snapshot cannot be read: ${error?.message}`);
      must(length === meta.bytes, `C8: snapshot ${meta.index} is restored in part`);
    },
  );
}

searchSeeds((seed, target) => {
  if (target === 'wal') liveLogs(seed);
  else liveStores(seed);
});
