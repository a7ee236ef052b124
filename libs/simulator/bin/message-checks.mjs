// What the messages of each protocol must never say, checked as they leave (the invariants marked S
// in the safety net): facts that are not on disk (C9), two votes in one round, a ballot used twice.
// Only the search for mutants uses it; the product's own ghost knows no protocol.
import { RecordKind } from '@quorate/consensus';
import { entryKey } from '../src/engine-level/memory-machine.ts';

/** What would survive a power cut of one node, and what it ever had on disk. */
class Facts {
  promise = { round: 0, node: 0 };
  established = 0;
  lastIndex = 0;
  snapshotIndex = 0;
  entries = new Map();
  /** `slot:round.node` of every acceptance that was ever durable here. */
  accepts = new Set();

  fold(record) {
    const { kind, index, round, node } = record;
    if (kind === RecordKind.promise) {
      if (compare(record, this.promise) > 0) this.promise = { round, node };
    } else if (kind === RecordKind.establish) this.established = Math.max(this.established, round);
    else if (kind === RecordKind.accept || kind === RecordKind.chosen) {
      this.entries.set(index, record);
      if (kind === RecordKind.accept) this.accepts.add(`${index}:${round}.${node}`);
      this.lastIndex = Math.max(this.lastIndex, index);
    } else if (kind === RecordKind.truncate) {
      for (let i = index; i <= this.lastIndex; i++) this.entries.delete(i);
      this.lastIndex = Math.min(this.lastIndex, index - 1);
    } else if (kind === RecordKind.snapshot) {
      this.snapshotIndex = Math.max(this.snapshotIndex, index);
    }
  }

  get end() {
    return Math.max(this.lastIndex, this.snapshotIndex);
  }
}

function compare(a, b) {
  return a.round === b.round ? a.node - b.node : a.round - b.round;
}

/** Watches a cluster from its first message on. */
export function checkMessages(cluster, protocol) {
  const { ghost } = cluster.core;
  const facts = new Map(cluster.ids.map((id) => [id, new Facts()]));
  const world = {
    cluster,
    ghost,
    facts,
    once: new Map(),
    highest: 0,
    highestBallots: new Map(),
    chosenThrough: 0,
    /** Fails unless `key` was always used with this very `value`. */
    same(invariant, key, value) {
      const before = this.once.get(key) ?? value;
      this.once.set(key, value);
      this.must(before === value, invariant, `${key}: ${before}, then ${value}`);
    },
    must(holds, invariant, text) {
      if (!holds) cluster.fail(invariant, text);
    },
  };
  const rules = RULES[protocol];
  const persisted = ghost.persisted.bind(ghost);
  ghost.persisted = (node, records) => {
    persisted(node, records);
    for (const record of records) {
      rules.persisted?.(world, node, record);
      facts.get(node).fold(record);
    }
  };
  cluster.onMessage((from, to, message) => {
    if (rules.contiguous) memoryIsDisk(world, from);
    rules[message.kind]?.(world, from, message, to);
  });
}

/** With nothing on its way to the disk, a log in memory ends where the one on disk ends. */
function memoryIsDisk(world, node) {
  const host = world.cluster.host(node);
  if (host.log.pending.length > 0) return;
  const { lastIndex } = host.engine.status();
  const { end } = world.facts.get(node);
  world.must(lastIndex === end, 'C6', `node ${node} holds ${lastIndex} entries, its disk ${end}`);
}

/** Who begins the latest round must hold everything that is committed (R5, Z10). */
function complete(world, node, round) {
  if (round <= world.highest) return;
  world.highest = round;
  const { lastIndex } = world.cluster.host(node).engine.status();
  const { committedIndex } = world.ghost;
  world.must(
    lastIndex >= committedIndex,
    'R5',
    `node ${node} leads round ${round} with ${lastIndex} of ${committedIndex} entries`,
  );
}

const RAFT = {
  contiguous: true,
  requestVote(world, from, { term, lastLogIndex, preVote }) {
    if (preVote) return;
    const { promise, end } = world.facts.get(from);
    world.must(promise.round >= term, 'C9', `node ${from} asks for votes in ${term} too early`);
    world.must(end >= lastLogIndex, 'C9', `node ${from} asks with ${lastLogIndex}, holds ${end}`);
    world.same('R2', `vote of ${from} in ${term}`, from);
  },
  requestVoteResponse(world, from, { requestTerm, voteGranted, preVote }, to) {
    if (preVote || !voteGranted) return;
    const { promise } = world.facts.get(from);
    const kept =
      promise.round > requestTerm || (promise.round === requestTerm && promise.node === to);
    world.must(kept, 'C9', `node ${from} grants ${to} a vote in ${requestTerm} too early`);
    world.same('R2', `vote of ${from} in ${requestTerm}`, to);
  },
  appendEntries(world, from, { term }) {
    complete(world, from, term);
    world.same('R1', `leader of ${term}`, from);
  },
  appendEntriesResponse(world, from, { success, matchIndex }) {
    const { end } = world.facts.get(from);
    const kept = !success || end >= matchIndex;
    world.must(kept, 'C9', `node ${from} acknowledges ${matchIndex}, holds ${end}`);
  },
};

const ZAB = {
  contiguous: true,
  persisted(world, node, { kind, round }) {
    if (kind !== RecordKind.establish) return;
    const { promise, established } = world.facts.get(node);
    const own = promise.node === node && promise.round === round;
    const told = world.once.has(`newLeader of ${round} to ${node}`);
    const known = own || told || established === round;
    world.must(known, 'ZB-04', `node ${node} establishes ${round} before it was synchronized`);
  },
  notification(world, from, { state, vote }) {
    if (state !== 'looking' || vote.leader !== from) return;
    const { end, entries, lastIndex } = world.facts.get(from);
    const host = world.cluster.host(from);
    const held = host.engine.status().lastIndex;
    world.must(held <= end, 'C9', `node ${from} votes with ${held} entries, holds ${end}`);
    const last = entries.get(lastIndex);
    if (host.log.pending.length > 0 || last === undefined || lastIndex < end) return;
    const named = vote.zxid.epoch === last.round && vote.zxid.counter === last.counter;
    world.must(named, 'ZB-01', `node ${from} votes by another transaction than its last`);
  },
  newEpoch(world, from, { epoch }) {
    const { promise } = world.facts.get(from);
    world.must(promise.round >= epoch, 'C9', `node ${from} opens epoch ${epoch} too early`);
  },
  ackEpoch(world, from, { epoch, counted }, to) {
    const { promise } = world.facts.get(from);
    world.must(
      promise.round === epoch,
      'C9',
      `node ${from} promised ${promise.round}, not ${epoch}`,
    );
    if (counted) world.same('Z1', `promise of ${epoch} by ${from}`, to);
  },
  newLeader(world, from, { epoch }, to) {
    const { established } = world.facts.get(from);
    world.must(established >= epoch, 'C9', `node ${from} says NEWLEADER ${epoch} too early`);
    world.same('Z1', `leader of ${epoch}`, from);
    world.once.set(`newLeader of ${epoch} to ${to}`, true);
    complete(world, from, epoch);
  },
  propose(world, from, { epoch }) {
    const { established } = world.facts.get(from);
    world.must(established >= epoch, 'C9', `node ${from} proposes in ${epoch} too early`);
  },
  ack(world, from, { epoch, index }) {
    const { end, established } = world.facts.get(from);
    const kept = end >= index && established >= epoch;
    world.must(kept, 'C9', `node ${from} acknowledges ${index} of ${epoch} too early`);
  },
};

const MULTI_PAXOS = {
  persisted(world, node, record) {
    if (record.kind !== RecordKind.accept) return;
    const { promise } = world.facts.get(node);
    const kept = compare(record, promise) >= 0;
    world.must(kept, 'P3', `node ${node} accepts below its promise ${promise.round}`);
  },
  prepare(world, from, { ballot }) {
    promised(world, from, ballot);
    const { incarnation } = world.cluster.host(from);
    world.same('P5', `ballot ${ballot.round}.${ballot.node}`, incarnation);
  },
  promise(world, from, message) {
    promised(world, from, message.ballot);
    const { entries, accepts, snapshotIndex } = world.facts.get(from);
    const { fromSlot, throughSlot, trimMark, accepted } = message;
    const reported = new Map(accepted.map((record) => [record.index, record]));
    for (const { kind, index, round, node } of accepted) {
      const real = kind === RecordKind.chosen || accepts.has(`${index}:${round}.${node}`);
      world.must(real, 'P7', `node ${from} reports ${round}.${node} at ${index}, never accepted`);
    }
    for (let slot = Math.max(fromSlot, trimMark + 1); slot <= throughSlot; slot++) {
      const held = slot <= snapshotIndex || entries.has(slot);
      world.must(!held || reported.has(slot), 'P7', `node ${from} says nothing of slot ${slot}`);
    }
  },
  accept(world, from, message) {
    const { ballot, proposals } = message;
    promised(world, from, ballot);
    chosen(world, from, message);
    for (const { index, entryType, payload } of proposals) {
      const key = entryKey(entryType, payload);
      world.same('P4', `value at ${index} under ${ballot.round}.${ballot.node}`, key);
      const highest = world.highestBallots.get(index) ?? { round: 0, node: 0 };
      if (compare(ballot, highest) <= 0) continue;
      const known = world.ghost.committedKey(index) ?? key;
      world.must(known === key, 'P6', `node ${from} proposes "${key}" where "${known}" is chosen`);
      world.highestBallots.set(index, ballot);
    }
  },
  accepted(world, from, { ballot, ranges }) {
    const { accepts, snapshotIndex, entries } = world.facts.get(from);
    for (const { first, last } of ranges) {
      for (let slot = Math.max(first, snapshotIndex + 1); slot <= last; slot++) {
        const kept =
          accepts.has(`${slot}:${ballot.round}.${ballot.node}`) ||
          entries.get(slot)?.kind === RecordKind.chosen;
        world.must(kept, 'C9', `node ${from} acknowledges slot ${slot} too early`);
      }
    }
  },
  heartbeat: (world, from, message) => chosen(world, from, message),
  chosen: (world, from, message) => chosen(world, from, message),
};

function promised(world, node, ballot) {
  const { promise } = world.facts.get(node);
  const text = `node ${node} speaks for ${ballot.round}.${ballot.node} before it is durable`;
  world.must(compare(promise, ballot) >= 0, 'C9', text);
}

/** P8: each slot that a leader calls chosen was accepted by a quorum at one and the same ballot. */
function chosen(world, from, { chosenPrefix }) {
  const { facts } = world;
  const needed = Math.floor(facts.size / 2) + 1;
  for (let slot = world.chosenThrough + 1; slot <= chosenPrefix; slot++) {
    const votes = new Map();
    for (const { accepts } of facts.values()) {
      for (const accept of accepts) {
        if (accept.startsWith(`${slot}:`)) votes.set(accept, (votes.get(accept) ?? 0) + 1);
      }
    }
    const quorum = Math.max(0, ...votes.values());
    world.must(
      quorum >= needed,
      'P8',
      `node ${from} calls slot ${slot} chosen, ${quorum} accepted`,
    );
    world.chosenThrough = slot;
  }
}

const RULES = { raft: RAFT, zab: ZAB, 'multi-paxos': MULTI_PAXOS };
