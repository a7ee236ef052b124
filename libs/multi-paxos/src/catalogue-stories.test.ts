import { RecordKind } from '@quorate/consensus';
import { Story } from '@quorate/engine-testkit';
import { SimulatedCluster } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import type { PaxosMessage } from './messages.ts';
import { multiPaxos } from './protocol.ts';

// Stories of Paxos variants that chose twice, forgot, or read the past, played with several
// engines, their disks and links. The ids are those of docs/internals/bug-catalogue.md.

const SECOND = 1_000_000;

/** Node 1 leads three replicas; all have chosen `texts`. */
function ledByOne(...texts: readonly string[]): Story<PaxosMessage> {
  const story = new Story(multiPaxos, 'cluster 3 seed=1');
  story.tell(`
    timeout 1
    stabilize
  `);
  expect(story.leads(1)).toBe(true);
  for (const text of texts) story.tell(`propose 1 ${text}`);
  story.tell('stabilize');
  for (const id of [1, 2, 3]) expect(story.commits(id)).toEqual(texts);
  return story;
}

/** `id` takes over with `helper`; nobody has heard the old leader for long enough. */
function takeOver(story: Story<PaxosMessage>, id: number, helper: number): void {
  story.tell(`
    elapse ${helper} 400
    timeout ${id}
    stabilize ${id} ${helper}
  `);
}

describe('Multi-Paxos: what is chosen', () => {
  it('MP-01: an acceptor that lost its power had acknowledged nothing that it forgot', () => {
    const story = ledByOne();
    story.tell(`
      propose 1 v1
      fsync 1
      drop 1->3
      deliver 1->2
      deliver 2->1
    `);
    expect(story.commits(1)).toEqual([]);
    story.tell(`
      crash 2
      restart 2
      crash 1
    `);
    takeOver(story, 3, 2);
    story.tell(`
      propose 3 v2
      stabilize 2 3
      restart 1
    `);
    story.untilLeader(1, 2, 3);
    for (const id of [1, 2, 3]) expect(story.commits(id)).toEqual(['v2']);
  });

  it('MP-01: what it did acknowledge it still holds after the power is back', () => {
    const story = ledByOne();
    story.tell(`
      propose 1 v1
      fsync 1
      drop 1->3
      deliver 1->2
      fsync 2
      deliver 2->1
    `);
    expect(story.commits(1)).toEqual(['v1']);
    story.tell(`
      crash 2
      crash 1
      restart 2
    `);
    takeOver(story, 3, 2);
    expect(story.commits(3)).toEqual(['v1']);
  });

  it('MP-03: three ballots over one slot: the value of the highest accepted one is kept', () => {
    const story = ledByOne('a');
    // v1 is accepted under ballot b1 by its leader alone.
    story.tell(`
      propose 1 v1
      drop 1->2
      drop 1->3
      fsync 1
    `);
    // v2 is chosen under b2 by 2 and 3.
    takeOver(story, 2, 3);
    story.tell(`
      propose 2 v2
      stabilize 2 3
    `);
    expect(story.commits(3)).toEqual(['a', 'v2']);
    // Node 3 prepares b3 and reaches node 1 alone, which promises; then node 3 is gone.
    story.tell(`
      drop 2->1
      elapse 1 400
      elapse 2 400
      timeout 3
      deliver 3->*
      fsync
      deliver *->3
      fsync 3
      drop 3->2
      deliver 3->1
      fsync 1
      crash 3
    `);
    // b4 asks 1 and 2: node 1 reports v1 at b1, however high its promise is.
    for (let i = 0; i < 3 && !story.leads(1); i++) takeOver(story, 1, 2);
    expect(story.leads(1)).toBe(true);
    expect(story.commits(1)).toEqual(['a', 'v2']);
  });

  it('MP-18: no time makes an acceptor forget; only what a snapshot covers goes', () => {
    const story = ledByOne('a', 'b', 'c');
    story.tell(`
      propose 1 x
      drop 1->3
      deliver 1->2
      fsync 1 2
      deliver 2->1
      crash 1
    `);
    expect(story.commits(1)).toEqual([]); // Down; but its client was told that x is chosen.
    expect(story.conclusion(4)).toBe(4);
    for (const id of [2, 3]) story.tell(`elapse ${id} 86400000`);
    story.tell(`
      snapshot 2
      fsync 2
      crash 2
      restart 2
    `);
    const leader = story.untilLeader(2, 3);
    story.tell(`propose ${leader} y`);
    story.tell('stabilize 2 3');
    expect(story.commits(3)).toEqual(['a', 'b', 'c', 'x', 'y']);
  });

  it('MP-19: a read that saw a value is followed by none that does not', () => {
    const story = ledByOne('a');
    story.tell(`
      propose 1 x
      drop 1->2
      drop 1->3
      fsync 1
    `);
    // Node 2 finds x at node 1 alone. Its read waits until x is chosen under its own ballot.
    story.tell(`
      elapse 1 400
      timeout 2
    `);
    for (let i = 0; i < 6 && story.status(2)?.role !== 'leader'; i++) {
      story.tell(`
        fsync 2
        deliver 2->1
        fsync 1
        deliver 1->2
      `);
    }
    expect(story.leads(2)).toBe(true);
    story.tell('read 2');
    const heartbeats = story.tell('deliver 2->1 drop=Accept');
    expect(heartbeats.some((line) => line.includes('Heartbeat'))).toBe(true);
    story.tell('deliver 1->2');
    story.tell('fsync 2');
    expect(story.conclusion(3)).toBeNull();
    expect(story.commits(2)).toEqual(['a']);
    for (let i = 0; i < 4; i++) {
      story.tell('tick 2');
      story.tell('stabilize 2 3');
    }
    expect(story.commits(2)).toEqual(['a', 'x']);
    expect(story.conclusion(3)).toBe(2);
    // The next leader hears node 3, which learned x; a read there sees it too.
    story.tell('crash 2');
    takeOver(story, 1, 3);
    story.tell('read 1');
    story.tell('stabilize 1 3');
    expect(story.conclusion(4)).toBeGreaterThanOrEqual(2);
    expect(story.commits(1)).toEqual(['a', 'x']);
  });

  it('KV-23: a slot under different ballots is handed over alike, and without any round', () => {
    const handed = new Set<string>();
    const watched: typeof multiPaxos = {
      ...multiPaxos,
      open(...given) {
        const engine = multiPaxos.open(...given);
        const takeReady = engine.takeReady.bind(engine);
        engine.takeReady = () => {
          const ready = takeReady();
          for (const entry of ready.committed) handed.add(Object.keys(entry).sort().join());
          return ready;
        };
        return engine;
      },
    };
    const cluster = new SimulatedCluster({
      protocol: watched,
      nodes: 3,
      seed: 'KV-23',
      keepArchive: true,
    });
    cluster.expectWithin('a leader', 5 * SECOND, () => cluster.leader() !== null);
    const first = cluster.leader() as number;
    const away = cluster.ids.find((id) => id !== first) as number;
    cluster.cut(first, away);
    const write = cluster.propose(first, 'value');
    cluster.expectWithin('it is chosen', SECOND, () => write.outcome === 'done');
    cluster.crash(first);
    cluster.heal();
    cluster.expectWithin('all have it', 5 * SECOND, () => cluster.committed(away).length === 1);
    cluster.restart(first);
    cluster.run(2 * SECOND);
    const rounds = cluster.ids.flatMap((id) =>
      (cluster.host(id).log.archive ?? [])
        .filter((record) => record.kind === RecordKind.accept && record.index === write.index)
        .map(({ round }) => round),
    );
    expect(new Set(rounds).size).toBeGreaterThan(1);
    for (const id of cluster.ids) expect(cluster.committed(id)).toEqual(['value']);
    expect([...handed]).toEqual(['index,payload,ticket,type']);
  });
});

describe('Multi-Paxos: reads', () => {
  it('MP-16: a leader that its quorum left serves no read', () => {
    const story = ledByOne('a');
    story.tell(`
      disconnect 1 2
      disconnect 1 3
    `);
    takeOver(story, 2, 3);
    story.tell(`
      propose 2 b
      stabilize 2 3
    `);
    expect(story.commits(3)).toEqual(['a', 'b']);
    story.tell('read 1');
    story.tell('fsync 1');
    expect(story.conclusion(3)).toBeNull();
    story.tell('tick 1 x20');
    expect(story.conclusion(3)).toBe('unknown');
    story.tell(`
      connect 1 2
      connect 1 3
    `);
    story.untilLeader(1, 2, 3);
    expect(story.commits(1)).toEqual(['a', 'b']);
  });

  it('MP-17: a replica that was not told yet reads what is chosen, not what it has', () => {
    const story = ledByOne('a');
    story.tell(`
      propose 1 b
      deliver 1->2
      fsync 1 2
      deliver 2->1
    `);
    expect(story.commits(1)).toEqual(['a', 'b']);
    story.tell('drop 1->3');
    expect(story.commits(3)).toEqual(['a']);
    story.tell('read 3 linearizable');
    story.tell(`
      deliver 3->1
      stabilize
    `);
    expect(story.conclusion(3)).toBe(2);
    const leader = story.untilLeader(1, 2, 3);
    expect(leader).toBe(1);
    expect(story.commits(3)).toEqual(['a', 'b']);
  });
});

describe('Multi-Paxos: proposers', () => {
  it('MP-07: two that keep preempting each other come to an end', () => {
    for (let seed = 1; seed <= 12; seed++) {
      const cluster = new SimulatedCluster({
        protocol: multiPaxos,
        nodes: 5,
        seed: `MP-07 ${seed}`,
        network: { delayMinMicros: 5_000, delayMaxMicros: 40_000 },
        config: { variants: { leaderStickiness: false } },
      });
      for (let i = 0; i < 3; i++) {
        cluster.expectWithin('a leader', 5 * SECOND, () => cluster.leader() !== null);
        const leader = cluster.leader() as number;
        const write = cluster.propose(leader, `write ${i}`);
        cluster.runUntil(() => write.outcome !== 'pending', SECOND);
        cluster.crash(leader);
        cluster.run(SECOND);
        cluster.restart(leader);
      }
      const highest = Math.max(...cluster.ids.map((id) => cluster.status(id).round));
      expect(highest).toBeLessThan(40);
    }
  });

  it('RF-16: where Raft stands still, the hub with the old log learns and leads', () => {
    const cluster = new SimulatedCluster({ protocol: multiPaxos, nodes: 5, seed: 'RF-16' });
    cluster.expectWithin('a leader', 5 * SECOND, () => cluster.leader() !== null);
    const old = cluster.leader() as number;
    const hub = cluster.ids.find((id) => id !== old) as number;
    cluster.isolate(hub);
    const missed = cluster.propose(old, 'missed');
    cluster.expectWithin('it is chosen', SECOND, () => missed.outcome === 'done');
    cluster.run(SECOND / 10);
    for (const a of cluster.ids) {
      for (const b of cluster.ids) {
        if (a === b) continue;
        const linked = (a === hub || b === hub) && a !== old && b !== old;
        if (linked) cluster.links.mend(a, b);
        else cluster.cut(a, b);
      }
    }
    cluster.expectWithin('the hub leads', 10 * SECOND, () => cluster.leader() === hub);
    const write = cluster.propose(hub, 'more');
    cluster.expectWithin('it serves', 5 * SECOND, () => write.outcome === 'done');
    cluster.expectWithin('it is applied', SECOND, () => cluster.committed(hub).length === 2);
    expect(cluster.committed(hub)).toEqual(['missed', 'more']);
  });
});
