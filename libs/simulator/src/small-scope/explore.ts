import { createRecordCodec, nodeId } from '@quorate/consensus';
import { crc32Table, createRandom, required } from '@quorate/foundation';
import { majority } from '@quorate/quorum';
import { NodeTable } from './node-table.ts';
import { keyOf, type ScopeOptions, type ScopeResult, stepsTo, type World } from './scope.ts';
import { ScopeNetwork } from './scope-network.ts';

const PROGRESS_STATES = 10_000;
/** After so many states in depth the next one is drawn from all that wait. */
const DIVE_STATES = 40;

/** Ends the exploration: an invariant is broken. */
class Broken extends Error {
  readonly invariant: string;
  readonly world: World;

  constructor(invariant: string, message: string, world: World) {
    super(message);
    this.invariant = invariant;
    this.world = world;
  }
}

/**
 * Explores every interleaving of deliveries, disk writes, timeouts, commands, a crash and a restart
 * in a small cluster, each state once. It goes depth first, in dives from states drawn from all
 * that wait: a scope too large to exhaust is then sampled at every depth, while an exhausted one is
 * the same in any order.
 *
 * Checked after each step: one committed sequence for ever (C1, C3, C5), every committed entry
 * durable at enough replicas, then and later (C4), one leader a round where the protocol says so
 * (R1), and that engines throw nothing.
 */
export function explore<M>(options: ScopeOptions<M>): ScopeResult {
  return new Exploration(options).run();
}

class Exploration<M> {
  private readonly options: ScopeOptions<M>;
  private readonly network: ScopeNetwork;
  private readonly tables: readonly NodeTable<M>[];
  private readonly seen = new Set<string>();
  /** States to go on from. */
  private readonly frontier: World[] = [];
  private readonly random = createRandom('dives');
  private expanded = 0;
  private transitions = 0;
  private depth = 0;

  constructor(options: ScopeOptions<M>) {
    this.options = options;
    const { protocol, nodes, variants } = options;
    this.network = new ScopeNetwork(protocol.capabilities.needsFifoChannels);
    const voters = Array.from({ length: nodes }, (_, position) => nodeId(position + 1));
    const codec = protocol.createCodec(createRecordCodec(crc32Table));
    this.tables = voters.map((id) => new NodeTable(id, { protocol, codec, voters, variants }));
  }

  run(): ScopeResult {
    try {
      this.visit(this.started());
      while (this.frontier.length > 0 && this.seen.size < this.options.statesMax) {
        this.expand(this.next());
      }
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
      const { invariant, message, world } = error;
      return this.result(false, { invariant, message, steps: stepsTo(world) });
    }
    return this.result(this.frontier.length === 0, null);
  }

  private result(exhausted: boolean, violation: ScopeResult['violation']): ScopeResult {
    const nodeStates = this.tables.reduce((sum, table) => sum + table.size, 0);
    const { transitions, depth } = this;
    return { states: this.seen.size, transitions, nodeStates, depth, exhausted, violation };
  }

  private next(): World {
    const last = this.frontier.length - 1;
    this.expanded++;
    const at = this.expanded % DIVE_STATES === 0 ? this.random.below(last + 1) : last;
    const world = required(this.frontier[at], 'the frontier has no holes');
    this.frontier[at] = required(this.frontier[last], 'the frontier has no holes');
    this.frontier.pop();
    return world;
  }

  /** Every replica started, and every session open: there is nothing to interleave yet. */
  private started(): World {
    const { timeouts, crashes, commands } = this.options;
    let world: World = {
      locals: this.tables.map((table) => table.initial()),
      packets: [],
      sessions: 0,
      timeoutsLeft: timeouts,
      crashesLeft: crashes,
      commandsLeft: commands,
      committed: [],
      leaders: '',
      before: null,
      node: 0,
      step: '',
      depth: 0,
    };
    this.tables.forEach((_, node) => {
      world = this.stepped(world, node, 'R', 'start');
    });
    for (let a = 0; a < this.tables.length; a++) {
      for (let b = a + 1; b < this.tables.length; b++) {
        if (this.network.fifo) world = this.connected(world, a, b);
      }
    }
    return { ...world, before: null, depth: 0 };
  }

  private visit(world: World): void {
    const key = keyOf(world);
    if (this.seen.has(key)) return;
    this.seen.add(key);
    this.depth = Math.max(this.depth, world.depth);
    this.frontier.push(world);
    if (this.seen.size % PROGRESS_STATES === 0) this.options.progress?.(this.seen.size);
  }

  private go(world: World): void {
    this.transitions++;
    this.visit(world);
  }

  private expand(world: World): void {
    const before = this.frontier.length;
    for (const position of this.network.deliverable(world.packets)) this.deliver(world, position);
    this.tables.forEach((_, node) => {
      this.expandNode(world, node);
    });
    if (this.network.fifo) this.connectPairs(world);
    // The last one is next: no kind of step should always come first.
    const made = this.frontier.length - before;
    if (made < 2) return;
    const last = this.frontier.length - 1;
    const at = before + this.random.below(made);
    const chosen = required(this.frontier[at], 'the frontier has no holes');
    this.frontier[at] = required(this.frontier[last], 'the frontier has no holes');
    this.frontier[last] = chosen;
  }

  private connectPairs(world: World): void {
    for (let a = 0; a < this.tables.length; a++) {
      for (let b = a + 1; b < this.tables.length; b++) {
        const bothUp = this.view(world, a).up && this.view(world, b).up;
        const may = this.network.mayConnect(world.packets, world.sessions, a, b);
        if (bothUp && may) this.go(this.connected(world, a, b));
      }
    }
  }

  private expandNode(world: World, node: number): void {
    const { timeoutsLeft, crashesLeft, commandsLeft } = world;
    const { up, serving, hasDeadline, pendingCount } = this.view(world, node);
    if (!up) {
      this.go(this.stepped(world, node, 'R', 'restart'));
      return;
    }
    if (pendingCount > 0) this.go(this.stepped(world, node, 'F', 'fsync'));
    if (timeoutsLeft > 0 && hasDeadline) {
      this.go(this.stepped({ ...world, timeoutsLeft: timeoutsLeft - 1 }, node, 'T', 'timeout'));
    }
    if (commandsLeft > 0 && serving) {
      const name = `c${commandsLeft}`;
      const less = { ...world, commandsLeft: commandsLeft - 1 };
      this.go(this.stepped(less, node, `P${name}`, `propose ${name}`));
    }
    for (let keep = 0; crashesLeft > 0 && keep <= pendingCount; keep++) {
      this.go(this.crashed({ ...world, crashesLeft: crashesLeft - 1 }, node, keep));
    }
  }

  private deliver(world: World, position: number): void {
    const number = required(world.packets[position], 'the position is in bounds');
    const { from, to, content } = this.network.packet(number);
    if (!this.view(world, to).up) return;
    const packets = world.packets.filter((_, at) => at !== position);
    const taken = { ...world, packets };
    if (content === '-') {
      this.go(this.stepped(taken, to, `-${from + 1}`, `hears that ${from + 1} is gone`));
      return;
    }
    const action = `${from + 1}:${content.slice(1)}`;
    this.go(
      this.stepped(taken, to, action, () => `takes ${this.describe(content)} of ${from + 1}`),
    );
  }

  private describe(content: string): string {
    const { protocol } = this.options;
    const bytes = Uint8Array.from(content.slice(1), (letter) => letter.charCodeAt(0));
    const message = protocol.createCodec(createRecordCodec(crc32Table)).decode(bytes);
    return message === null ? 'nothing' : protocol.describeMessage(message);
  }

  private crashed(world: World, node: number, keep: number): World {
    let packets: readonly number[] = world.packets;
    let { sessions } = world;
    if (this.network.fifo) {
      packets = this.network.withoutThoseTo(packets, node);
      this.tables.forEach((_, other) => {
        if (other === node) return;
        const ends = { a: node, b: other, hears: this.view(world, other).up ? [other] : [] };
        ({ packets, sessions } = this.network.ended(packets, sessions, ends));
      });
    }
    const cut = { ...world, packets, sessions };
    return this.stepped(cut, node, `C${keep}`, `crash, ${keep} batches survive`);
  }

  private connected(world: World, a: number, b: number): World {
    const sessions = this.network.withSession(world.sessions, a, b);
    const half = this.stepped({ ...world, sessions }, a, `+${b + 1}`, `meets ${b + 1}`);
    return this.stepped(half, b, `+${a + 1}`, `meets ${a + 1}`);
  }

  /** The world after a replica's step; throws `Broken` when an invariant no longer holds. */
  private stepped(
    world: World,
    node: number,
    action: string,
    label: string | (() => string),
  ): World {
    const table = required(this.tables[node], 'a replica of the scope');
    const local = required(world.locals[node], 'a replica of the scope');
    const { next, effects, thrown } = table.step(local, action);
    const locals = world.locals.map((state, position) => (position === node ? next : state));
    let { packets, sessions } = world;
    for (const { to, bytes } of effects.sent) {
      const peer = to - 1;
      const open = !this.network.fifo || this.network.hasSession(sessions, node, peer);
      if (open) packets = this.network.sent(packets, node, peer, `m${bytes}`);
    }
    for (const to of effects.resets) {
      const ends = { a: node, b: to - 1, hears: [node, to - 1] };
      ({ packets, sessions } = this.network.ended(packets, sessions, ends));
    }
    const depth = world.depth + 1;
    const after: World = {
      locals,
      packets,
      sessions,
      timeoutsLeft: world.timeoutsLeft,
      crashesLeft: world.crashesLeft,
      commandsLeft: world.commandsLeft,
      committed: world.committed,
      leaders: world.leaders,
      before: world,
      node: node + 1,
      step: label,
      depth,
    };
    if (thrown !== null) throw new Broken('exception', thrown.split('\n')[0] ?? '', after);
    return this.checked(after, node);
  }

  private checked(world: World, node: number): World {
    const { applied, leads, round } = this.view(world, node);
    const { committed } = world;
    applied.forEach((key, at) => {
      const known = committed[at] ?? key;
      if (known === key) return;
      throw new Broken('C3', `index ${at + 1}: "${known}", at ${node + 1} "${key}"`, world);
    });
    const news = applied.length > committed.length;
    const grown = news ? { committed: applied } : {};
    const lead = leads ? this.withLeader(world, node, round) : {};
    const after = news || leads ? Object.assign(world, grown, lead) : world;
    this.checkDurable(after, news);
    return after;
  }

  private withLeader(world: World, node: number, round: number): { leaders?: string } {
    if (!this.options.leaderPerRound) return {};
    const leader = `${round}:${node + 1}`;
    const known = world.leaders.split(' ');
    if (known.includes(leader)) return {};
    const other = known.find((one) => one.startsWith(`${round}:`));
    if (other !== undefined) {
      throw new Broken('R1', `${leader} leads a round that had the leader ${other}`, world);
    }
    return {
      leaders: [...known, leader]
        .filter((one) => one !== '')
        .sort()
        .join(' '),
    };
  }

  /** C4: at first a majority, and at any time one of each majority, holds what is committed. */
  private checkDurable(world: World, isNews: boolean): void {
    const nodes = this.tables.length;
    const wanted = isNews ? majority(nodes) : nodes - majority(nodes) + 1;
    world.committed.forEach((key, at) => {
      const holders = this.tables.filter((_, node) => {
        return this.view(world, node).durable[at + 1] === key;
      });
      if (holders.length >= wanted) return;
      const message = `"${key}" at ${at + 1} is durable at ${holders.length} of ${nodes}`;
      throw new Broken('C4', message, world);
    });
  }

  private view(world: World, node: number) {
    const table = required(this.tables[node], 'a replica of the scope');
    return table.view(required(world.locals[node], 'a replica of the scope'));
  }
}
