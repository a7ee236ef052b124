import { assert } from '@quorate/foundation';
import type { Budget } from './budget.ts';
import { ConfigurationCache } from './configuration-cache.ts';
import { ANY, REFUSED } from './model.ts';
import { indexStates, isObserver, type KeyProblem, NEVER } from './problem.ts';

/** How a search ended. */
export interface SearchOutcome {
  /** `found`: linearizable. `exhausted`: no order exists. `stopped`: the budget ran out. */
  readonly end: 'found' | 'exhausted' | 'stopped';
  /** For `found`, the operations in an order that explains the history. */
  readonly order: readonly number[];
  /** The furthest event that a configuration reached; at it, no order goes on. */
  readonly deepestEvent: number;
}

interface Frame {
  readonly position: number;
  readonly trailLength: number;
  readonly state: number;
  readonly candidates: readonly number[];
  tried: number;
}

/**
 * Looks for an order of the operations that respects real time and the model: depth first with
 * memory of what failed (Wing and Gong 1993; Lowe 2017), linearizing an operation only when a
 * return forces it ("just in time", Lowe, section 6). An `info` operation stays available for ever.
 *
 * Four shortcuts keep healthy histories linear; each loses no order:
 * a read whose value is the current one is taken at once, since it changes nothing;
 * a write that nobody sees is taken together with the next write, since that hides it;
 * a state with reads still to come and no other way back to it is not left;
 * among several writes that one goes first whose readers force it to end first.
 */
export function searchOrder(problem: KeyProblem, budget: Budget): SearchOutcome {
  return new Search(problem, budget).run();
}

class Search {
  private readonly problem: KeyProblem;
  private readonly budget: Budget;
  private readonly cache: ConfigurationCache;
  private readonly configuration: Int32Array;
  private readonly slots: Int32Array; // The open operation of each slot, or -1.
  private readonly done: Uint8Array;
  private readonly waiting: number[] = []; // Open and not done, in no order.
  private readonly waitingAt: Int32Array; // By operation: its place there.
  private readonly urgency: Float64Array;
  private readonly unmetNeeds: Int32Array; // By state: definite operations that must still see it.
  private readonly openNeeds: Int32Array; // By state: the same, indefinite ones included.
  private readonly producers: Int32Array; // By state: operations that may still leave it.
  private readonly soleProducer: Uint8Array;
  private readonly trail: number[] = [];
  private readonly frames: Frame[] = [];
  private position = 0;
  private deepest = 0;
  private state: number;

  constructor(problem: KeyProblem, budget: Budget) {
    this.problem = problem;
    this.budget = budget;
    const bitWords = Math.ceil(problem.slotCount / 32);
    this.configuration = new Int32Array(2 + bitWords);
    this.cache = new ConfigurationCache(2 + bitWords, budget.limits.memoryBytesMax);
    this.slots = new Int32Array(problem.slotCount).fill(-1);
    this.done = new Uint8Array(problem.operations.length);
    this.waitingAt = new Int32Array(problem.operations.length);
    this.state = problem.model.initialState;
    const states = problem.exact ? 1 + stateMax(problem) : 0;
    this.unmetNeeds = new Int32Array(states);
    this.openNeeds = new Int32Array(states);
    this.producers = new Int32Array(states);
    this.soleProducer = new Uint8Array(states);
    this.urgency = Float64Array.from(problem.returnAt);
    if (problem.exact) this.prepareShortcuts();
  }

  run(): SearchOutcome {
    for (;;) {
      if (this.advance()) return this.outcome('found');
      const opened = this.openFrame();
      if (this.budget.stopReason !== null) return this.outcome('stopped');
      if (!opened && !this.backtrack()) return this.outcome('exhausted');
    }
  }

  private outcome(end: SearchOutcome['end']): SearchOutcome {
    return { end, order: end === 'found' ? this.trail : [], deepestEvent: this.deepest };
  }

  /** Counts who sees and who leaves each state, and how soon each write must be over. */
  private prepareShortcuts(): void {
    const { operations, model, invokeAt, returnAt } = this.problem;
    for (let i = 0; i < operations.length; i++) this.count(i, 1);
    const { observersOf, producersOf } = indexStates(this.problem, operations.keys());
    for (const [state, producers] of producersOf) {
      const [only] = producers;
      if (producers.length !== 1 || only === undefined || state === model.initialState) continue;
      this.soleProducer[state] = 1;
      // A value that came once is current in one stretch of time. It must begin by the first
      // return among its readers and last to their last invocation (Gibbons and Korach 1997).
      let firstReturn = returnAt[only] as number;
      let lastInvoke = invokeAt[only] as number;
      for (const reader of observersOf.get(state) ?? []) {
        firstReturn = Math.min(firstReturn, returnAt[reader] as number);
        lastInvoke = Math.max(lastInvoke, invokeAt[reader] as number);
      }
      this.urgency[only] = Math.max(firstReturn, lastInvoke);
    }
  }

  /** Passes events until a return asks for an operation that is not linearized; true at the end. */
  private advance(): boolean {
    const { events, slotOf } = this.problem;
    while (this.position < events.length) {
      const code = events[this.position] as number;
      if (code >= 0) {
        this.slots[slotOf[code] as number] = code;
        this.addWaiting(code);
        this.position++;
        this.takeIfRead(code);
        continue;
      }
      const operation = -1 - code;
      if (this.done[operation] === 0) break;
      this.slots[slotOf[operation] as number] = -1;
      this.setBit(slotOf[operation] as number, false);
      this.position++;
    }
    if (this.position > this.deepest) this.deepest = this.position;
    return this.position === events.length;
  }

  /** Opens a branch for the operation that must be linearized now; false when it leads nowhere. */
  private openFrame(): boolean {
    if (!this.budget.spend()) return false;
    this.configuration[0] = this.position;
    this.configuration[1] = this.state;
    const added = this.cache.add(this.configuration);
    const held = this.cache.bytesHeld + (this.problem.model.bytesHeld?.() ?? 0);
    if (added === 'full' || held > this.budget.limits.memoryBytesMax) this.budget.outOfMemory();
    if (added !== 'added' || this.budget.stopReason !== null) return false;
    const blocked = -1 - (this.problem.events[this.position] as number);
    const { position, state } = this;
    const candidates = this.candidatesFor(blocked);
    this.frames.push({ position, trailLength: this.trail.length, state, candidates, tried: 0 });
    return this.takeNext();
  }

  private backtrack(): boolean {
    while (this.frames.length > 0) {
      if (this.takeNext()) return true;
    }
    return false;
  }

  /** Tries the next candidate of the newest frame; drops the frame when none is left. */
  private takeNext(): boolean {
    const frame = this.frames.at(-1);
    assert(frame !== undefined, 'a frame is open');
    this.rewind(frame);
    const candidate = frame.candidates[frame.tried++];
    if (candidate === undefined) {
      this.frames.pop();
      return false;
    }
    this.apply(candidate);
    return true;
  }

  private candidatesFor(blocked: number): number[] {
    const { model, exact } = this.problem;
    const candidates: number[] = [];
    for (const i of this.waiting) {
      if (isObserver(this.problem, i)) continue;
      const next = model.next(this.state, i);
      if (next === REFUSED) continue;
      if (exact && (this.losesReaders(i, next) || (i !== blocked && this.isUnseen(i)))) continue;
      candidates.push(i);
    }
    if (candidates.length < 2) return candidates;
    const wanted = exact ? (model.needs[blocked] as number) : ANY;
    const rank = (i: number): number => {
      const make = model.makes[i] as number;
      const answers = wanted !== ANY && make === wanted && this.soleProducer[make] === 0;
      if (answers) return -1;
      const need = model.needs[i] as number;
      if (need >= 0 && this.soleProducer[need] === 0) return 0;
      return this.urgency[i] as number;
    };
    return candidates.sort((a, b) => rank(a) - rank(b));
  }

  /** True when taking `i` leaves a state that must still be seen and cannot come back. */
  private losesReaders(i: number, next: number): boolean {
    const { state } = this;
    if (next === state || this.producers[state] !== 0) return false;
    const own = this.problem.model.needs[i] === state && this.isDefinite(i) ? 1 : 0;
    return (this.unmetNeeds[state] as number) - own > 0;
  }

  /** True for a blind write whose value nobody is still to see. */
  private isUnseen(i: number): boolean {
    const { needs, makes } = this.problem.model;
    return needs[i] === ANY && this.openNeeds[makes[i] as number] === 0;
  }

  private apply(candidate: number): void {
    const { model, exact } = this.problem;
    if (exact && model.needs[candidate] === ANY) {
      for (let place = this.waiting.length - 1; place >= 0; place--) {
        const i = this.waiting[place] as number;
        if (i === candidate || !this.isDefinite(i) || isObserver(this.problem, i)) continue;
        if (this.isUnseen(i)) this.take(i);
      }
    }
    const next = model.next(this.state, candidate);
    assert(next !== REFUSED, 'a candidate fits the state');
    this.state = next;
    this.take(candidate);
    // From the end: what is taken makes room for the last one, which had its turn.
    for (let place = this.waiting.length - 1; place >= 0; place--) {
      this.takeIfRead(this.waiting[place] as number);
    }
  }

  private takeIfRead(i: number): void {
    if (!isObserver(this.problem, i)) return;
    if (this.problem.model.next(this.state, i) !== REFUSED) this.take(i);
  }

  private take(i: number): void {
    this.done[i] = 1;
    this.removeWaiting(i);
    this.setBit(this.problem.slotOf[i] as number, true);
    this.trail.push(i);
    if (this.problem.exact) this.count(i, -1);
  }

  private rewind(frame: Frame): void {
    const { events, slotOf, exact } = this.problem;
    while (this.position > frame.position) {
      const code = events[--this.position] as number;
      const i = code >= 0 ? code : -1 - code;
      this.slots[slotOf[i] as number] = code >= 0 ? -1 : i;
      if (code >= 0 && this.done[i] === 0) this.removeWaiting(i);
      this.setBit(slotOf[i] as number, code < 0);
    }
    while (this.trail.length > frame.trailLength) {
      const i = this.trail.pop() as number;
      this.done[i] = 0;
      if (exact) this.count(i, 1);
      if (this.slots[slotOf[i] as number] !== i) continue;
      this.setBit(slotOf[i] as number, false);
      this.addWaiting(i);
    }
    this.state = frame.state;
  }

  private addWaiting(i: number): void {
    this.waitingAt[i] = this.waiting.length;
    this.waiting.push(i);
  }

  private removeWaiting(i: number): void {
    const place = this.waitingAt[i] as number;
    const last = this.waiting.pop() as number;
    if (last === i) return;
    this.waiting[place] = last;
    this.waitingAt[last] = place;
  }

  private count(i: number, change: number): void {
    const need = this.problem.model.needs[i] as number;
    const make = this.problem.model.makes[i] as number;
    if (need >= 0) {
      this.openNeeds[need] = (this.openNeeds[need] as number) + change;
      if (this.isDefinite(i)) this.unmetNeeds[need] = (this.unmetNeeds[need] as number) + change;
    }
    if (make >= 0) this.producers[make] = (this.producers[make] as number) + change;
  }

  private isDefinite(i: number): boolean {
    return this.problem.returnAt[i] !== NEVER;
  }

  private setBit(slot: number, on: boolean): void {
    const word = 2 + (slot >>> 5);
    const mask = 1 << (slot & 31);
    const before = this.configuration[word] as number;
    this.configuration[word] = on ? before | mask : before & ~mask;
  }
}

function stateMax(problem: KeyProblem): number {
  let max = problem.model.initialState;
  for (const state of problem.model.needs) if (state > max) max = state;
  for (const state of problem.model.makes) if (state > max) max = state;
  return max;
}
