import { logIndex, type SnapshotMeta } from '@quorate/consensus';
import { createRandom, type Random } from '@quorate/foundation';
import { nodeDigest, openSnapshotStore, type SnapshotStore } from '@quorate/snapshot-store';
import { DiskClock } from '../disk/disk-clock.ts';
import { SimulatedDisk } from '../disk/simulated-disk.ts';
import { SimulationFailure } from '../failure.ts';
import { drawDelays } from './log-swarm.ts';

const DIRECTORY = 'snapshots';
const LIVES = 5;
const STEPS_A_LIFE = 12;
const EFFECTS_A_LIFE_MAX = 80;
const BIT_FLIP_ONE_IN = 3;
/** What is under way at the end of a life gets so long. */
const DRAIN_MICROS = 50_000;

/**
 * One seed of the snapshot store alone: several short lives on one simulated disk, in which
 * snapshots are written, received, named and restored, each ended by a power cut. What was named
 * must be there (S6) with its own bytes (C8), and damage must be refused (ST-12). Throws
 * `SimulationFailure`.
 */
export function runStoreLives(seed: number): void {
  new StoreLives(seed).run();
}

class StoreLives {
  private readonly seed: number;
  private readonly random: Random;
  private readonly clock = new DiskClock();
  private readonly disk: SimulatedDisk;
  private readonly pauseMaxMicros: number;
  private readonly named: SnapshotMeta[] = [];
  private index = 0;
  private damaged: SnapshotMeta | null = null;

  constructor(seed: number) {
    this.seed = seed;
    this.random = createRandom(`store ${seed}`);
    const { clock } = this;
    const delays = drawDelays(this.random.split('swarm'));
    this.disk = new SimulatedDisk({ clock, random: createRandom(`store disk ${seed}`), delays });
    this.pauseMaxMicros = [100, 1_000, 5_000][this.random.split('pause').below(3)] as number;
  }

  run(): void {
    for (let life = 0; life < LIVES; life++) {
      const { error, store } = this.open();
      if (this.damaged !== null && this.damaged === this.named.at(-1)) {
        if (error === null) this.fail('ST-12', 'a damaged snapshot is opened without a word');
        return;
      }
      if (store === null) this.fail('S6', `the named snapshot is gone: ${error?.message}`);
      this.live(store);
      this.rot();
    }
  }

  private fail(invariant: string, message: string): never {
    throw new SimulationFailure({ invariant, seed: this.seed, message }, []);
  }

  private open(): { readonly error: Error | null; readonly store: SnapshotStore | null } {
    let found: { error: Error | null; store: SnapshotStore | null } = { error: null, store: null };
    const { clock, named } = this;
    const options = { directory: DIRECTORY, clock, createDigest: nodeDigest, named };
    openSnapshotStore({ ...options, disk: this.disk.mount() }, (error, opened) => {
      found = { error, store: opened?.store ?? null };
    });
    clock.run();
    return found;
  }

  private live(store: SnapshotStore): void {
    const { clock, disk, random } = this;
    let struck = false;
    const over = (): boolean => struck;
    const strikeAt = disk.effectCount + 1 + random.below(EFFECTS_A_LIFE_MAX);
    disk.onEffect = (number) => {
      if (number < strikeAt || struck) return;
      struck = true;
      disk.powerCut();
    };
    for (let step = 0; step < STEPS_A_LIFE && !struck; step++) {
      this.index++;
      if (random.below(3) === 0) this.receive(store, over);
      else this.write(store, over);
      const { latest } = store;
      if (latest !== null && random.below(2) === 0) this.restore(store, latest, over);
      clock.run(clock.now() + random.below(this.pauseMaxMicros), over);
    }
    clock.run(clock.now() + DRAIN_MICROS, over);
    disk.onEffect = null;
    if (!struck) disk.powerCut();
  }

  private name(store: SnapshotStore, meta: SnapshotMeta, over: () => boolean): void {
    const newest = this.named.at(-1);
    if (over() || (newest !== undefined && meta.index <= newest.index)) return;
    this.named.push(meta);
    store.named(meta);
  }

  private write(store: SnapshotStore, over: () => boolean): void {
    const slices = [bytesOf(this.index)];
    const reader = { next: () => slices.pop() ?? null, close() {} };
    store.write(describing(this.index), reader, (error, meta) => {
      if (error === null) this.name(store, meta, over);
    });
  }

  /** A peer's snapshot, of which now and then one bit is wrong. */
  private receive(store: SnapshotStore, over: () => boolean): void {
    const { index, random } = this;
    const bytes = bytesOf(index);
    const digest = nodeDigest();
    digest.update(bytes);
    const meta = { ...describing(index), digest: digest.finishHex(), bytes: bytes.length };
    const broken = random.below(2) === 0;
    const sent = bytes.slice();
    if (broken) {
      const at = random.below(sent.length);
      sent[at] = (sent[at] as number) ^ 1;
    }
    store.install(meta, (error, install) => {
      if (error !== null) return;
      install.write(0, sent, (failed) => {
        if (failed !== null) return;
        install.finish((refusal) => {
          if (refusal !== null) return;
          if (broken) this.fail('ST-12', 'a damaged transfer is taken for whole');
          this.name(store, meta, over);
        });
      });
    });
  }

  /** A restore ends well and with the right bytes, whatever is named meanwhile. */
  private restore(store: SnapshotStore, meta: SnapshotMeta, over: () => boolean): void {
    let length = 0;
    store.restore(
      meta,
      (slice) => {
        length += slice.length;
        const wrong = slice.some((byte) => byte !== meta.index % 251);
        if (wrong) this.fail('C8', `snapshot ${meta.index} is restored with other bytes`);
      },
      (error) => {
        if (over()) return;
        if (error !== null) this.fail('S6', `a kept snapshot cannot be read: ${error.message}`);
        if (length !== meta.bytes) this.fail('C8', `snapshot ${meta.index} is restored in part`);
      },
    );
  }

  /** Flips one bit of the newest snapshot, now and then. */
  private rot(): void {
    const { disk, random } = this;
    const last = this.named.at(-1);
    if (last === undefined || random.below(BIT_FLIP_ONE_IN) !== 0) return;
    const file = disk.names(DIRECTORY).find((one) => one.includes(last.digest.slice(0, 16)));
    if (file === undefined) return; // The next opening says so.
    disk.flipBit(`${DIRECTORY}/${file}`, random.below(last.bytes), random.below(8));
    this.damaged = last;
  }
}

function bytesOf(index: number): Uint8Array {
  return new Uint8Array(200 + ((index * 7919) % 9000)).fill(index % 251);
}

function describing(index: number): Omit<SnapshotMeta, 'digest' | 'bytes'> {
  const membership = { voters: [], learners: [], witnesses: [] };
  return { index: logIndex(index), membership, engine: new Uint8Array(0) };
}
