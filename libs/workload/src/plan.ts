import { assert, createRandom } from '@quorate/foundation';
import { type ArrivalKind, scheduleArrivals } from './arrivals.ts';
import { createKeyChooser, type KeyChooser, type KeyDistribution } from './keys.ts';
import { createKindChooser, type OperationMix, writesValue } from './mix.ts';

/** What both loops share. */
export interface WorkloadOptions {
  readonly seed: number | string;
  readonly mix: OperationMix;
  readonly keyCount: number;
  readonly keyDistribution: KeyDistribution;
  /** Logical clients, from 1. */
  readonly clients: number;
  /** The first write number; a later phase of the same run goes on where the last one ended. */
  readonly firstWriteNumber?: number;
}

/** An open loop: operations arrive at a rate, whatever the system does. */
export interface OpenLoopOptions extends WorkloadOptions {
  readonly arrival: ArrivalKind;
  readonly ratePerSecond: number;
  readonly durationMicros: number;
}

/** In {@link OpenLoopPlan.writeNumbers}: the operation carries no value. */
export const NO_WRITE = 0xffff_ffff;

/** The operations of an open loop as columns; place i is the i-th by intended start. */
export interface OpenLoopPlan {
  readonly count: number;
  /** Microseconds from the start of the phase. */
  readonly startMicros: Float64Array;
  /** Codes as in `OPERATION_KINDS`. */
  readonly kinds: Uint8Array;
  readonly keys: Uint32Array;
  readonly clients: Uint32Array;
  /** For puts and cas the number that makes the value unique; else {@link NO_WRITE}. */
  readonly writeNumbers: Uint32Array;
  /** The number for the first write after this plan. */
  readonly nextWriteNumber: number;
}

/** Draws a whole open loop before it runs, so that no draw happens on the measured path. */
export function planOpenLoop(options: OpenLoopOptions): OpenLoopPlan {
  const { arrival, ratePerSecond, durationMicros, clients } = options;
  const root = createRandom(options.seed);
  const random = root.split('arrivals');
  const startMicros = scheduleArrivals({ kind: arrival, ratePerSecond, durationMicros, random });
  const count = startMicros.length;
  const source = new OperationSource(options);
  const clientOf = root.split('clients');
  const kinds = new Uint8Array(count);
  const keys = new Uint32Array(count);
  const clientNumbers = new Uint32Array(count);
  const writeNumbers = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const client = clientOf.below(clients);
    source.draw(client);
    kinds[i] = source.kind;
    keys[i] = source.key;
    clientNumbers[i] = client;
    writeNumbers[i] = source.writeNumber;
  }
  const { nextWriteNumber } = source;
  return { count, startMicros, kinds, keys, clients: clientNumbers, writeNumbers, nextWriteNumber };
}

/**
 * The operations of a closed loop: each client draws its next one when its last one ended. `draw`
 * fills the fields, so that nothing is allocated for an operation. The draws of one client do not
 * depend on how often the others draw; only write numbers follow the common order.
 */
export class OperationSource {
  /** Code of the drawn operation, as in `OPERATION_KINDS`. */
  kind = 0;
  /** Key of the drawn operation. */
  key = 0;
  /** Write number of the drawn operation, or {@link NO_WRITE}. */
  writeNumber = NO_WRITE;
  /** The number that the next write will get. */
  nextWriteNumber: number;
  private readonly kindChoosers: (() => number)[] = [];
  private readonly keyChoosers: KeyChooser[] = [];

  constructor(options: WorkloadOptions) {
    const { seed, mix, keyCount, keyDistribution: distribution, clients } = options;
    assert(Number.isInteger(clients) && clients >= 1, 'there is at least one client');
    this.nextWriteNumber = options.firstWriteNumber ?? 0;
    const root = createRandom(seed);
    for (let client = 0; client < clients; client++) {
      const random = root.split(`keys ${client}`);
      this.kindChoosers.push(createKindChooser(mix, root.split(`kinds ${client}`)));
      this.keyChoosers.push(createKeyChooser({ distribution, keyCount, client, clients, random }));
    }
  }

  /** Draws the next operation of `client` into the fields. */
  draw(client: number): void {
    const chooseKind = this.kindChoosers[client];
    const chooseKey = this.keyChoosers[client];
    assert(chooseKind !== undefined && chooseKey !== undefined, 'the client is one of the clients');
    this.kind = chooseKind();
    this.key = chooseKey();
    this.writeNumber = writesValue(this.kind) ? this.nextWriteNumber++ : NO_WRITE;
    assert(this.nextWriteNumber < NO_WRITE, 'write numbers fit 32 bits');
  }
}
