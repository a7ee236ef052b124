import { RecordKind } from '@quorate/consensus';
import { Story } from '@quorate/engine-testkit';
import { SimulatedCluster } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import { zab } from './index.ts';
import type { ZabMessage } from './messages.ts';
import { recover } from './records.ts';

// Stories of ZooKeeper's own recovery bugs, played with three engines, their disks and links. The
// ids are those of docs/internals/bug-catalogue.md.

const SECOND = 1_000_000;

/** Server 2 leads, for server 3 came late; all three hold what `texts` says. */
function ledByTwo(...texts: readonly string[]): Story<ZabMessage> {
  const story = new Story(zab, 'cluster 3 seed=1');
  story.tell('crash 3');
  expect(story.untilLeader(1, 2)).toBe(2);
  story.tell('restart 3');
  story.untilLeader(1, 2, 3);
  for (const text of texts) story.tell(`propose 2 ${text}`);
  story.tell('stabilize');
  expect(story.leads(2)).toBe(true);
  for (const id of [1, 2, 3]) expect(story.commits(id)).toEqual(texts);
  return story;
}

/** Restarts whoever is down; in the end all hold exactly these texts. */
function endsWith(story: Story<ZabMessage>, texts: readonly string[]): void {
  for (const id of [1, 2, 3]) if (story.status(id) === null) story.tell(`restart ${id}`);
  const leader = story.untilLeader(1, 2, 3);
  story.tell(`propose ${leader} end`);
  story.tell('stabilize');
  for (const id of [1, 2, 3]) expect(story.commits(id)).toEqual([...texts, 'end']);
}

describe('ZAB: who may win', () => {
  it('ZB-01: a logged transaction counts in the vote, committed or not', () => {
    const story = ledByTwo('a');
    // Server 1 logs b as server 2 does, and nobody hears that it has; server 3 never sees it.
    story.tell(`
      propose 2 b
      drop 2->3
      deliver 2->1
      fsync 1 2
      crash 2
      crash 3
      restart 2
    `);
    // The old leader is elected again and dies before its follower is synchronized.
    for (let i = 0; i < 40 && story.status(1)?.phase !== 'discovery'; i++) {
      story.tell(`
        tick 1
        tick 2
        fsync 1
        deliver 1->2
        fsync 2
        deliver 2->1
      `);
    }
    expect(story.status(1)?.phase).toBe('discovery');
    story.tell(`
      crash 2
      restart 3
    `);
    expect(story.untilLeader(1, 3)).toBe(1);
    expect(story.commits(3)).toEqual(['a', 'b']);
    endsWith(story, ['a', 'b']);
  });

  it('ZB-02: a server without what was committed does not win, whatever its id', () => {
    const story = ledByTwo('a');
    story.tell(`
      propose 2 b
      drop 2->3
      deliver 2->1
      fsync 1 2
      deliver 1->2
    `);
    expect(story.commits(2)).toEqual(['a', 'b']);
    story.tell(`
      crash 2
      crash 3
      restart 3
    `);
    expect(story.untilLeader(1, 3)).toBe(1);
    expect(story.commits(3)).toEqual(['a', 'b']);
    endsWith(story, ['a', 'b']);
  });

  it('ZB-14, ZB-15: a stray tail is cut, only it, and stays cut over later restarts', () => {
    const story = ledByTwo('a', 'b');
    story.tell(`
      propose 2 stray
      fsync 2
      crash 2
    `);
    const leader = story.untilLeader(1, 3);
    story.tell(`
      propose ${leader} c
      stabilize 1 3
      restart 2
    `);
    story.untilLeader(1, 2, 3);
    expect(story.commits(2)).toEqual(['a', 'b', 'c']);
    const cuts = story.lines.filter((line) => /^2 writes .*truncate/.test(line));
    expect(cuts).toHaveLength(1);
    for (let i = 0; i < 2; i++) {
      story.tell('crash 2');
      story.tell('restart 2');
      story.untilLeader(1, 2, 3);
    }
    expect(story.lines.filter((line) => line.includes('"stray"')).length).toBe(1);
    endsWith(story, ['a', 'b', 'c']);
  });
});

describe('ZAB: synchronization and the disk', () => {
  /** Server 1 was away; servers 2 and 3 hold b, c and d that it does not. */
  function oneIsBehind(): Story<ZabMessage> {
    const story = ledByTwo('a');
    story.tell('crash 1');
    for (const text of ['b', 'c', 'd']) story.tell(`propose 2 ${text}`);
    story.tell('stabilize 2 3');
    expect(story.commits(3)).toEqual(['a', 'b', 'c', 'd']);
    return story;
  }

  it('ZB-03: no ACK of NEWLEADER before the DIFF is durable, and nothing counted on it', () => {
    const story = oneIsBehind();
    story.tell(`
      crash 3
      restart 1
    `);
    let said: string[] = [];
    for (let i = 0; i < 40; i++) {
      // Everything goes to and fro, but server 1's disk stands once it has the DIFF.
      const diff = story.lines.findLastIndex((line) => line.startsWith('2->1 NEWLEADER'));
      const restart = story.lines.lastIndexOf('3 crashed');
      if (diff > restart) break;
      story.tell('tick 1');
      story.tell('tick 2');
      story.tell('fsync 1');
      story.tell('fsync 2');
      story.tell('deliver 1->2');
      said = story.tell('deliver 2->1');
    }
    expect(said.some((line) => line.startsWith('2->1 NEWLEADER'))).toBe(true);
    const acks = (): number =>
      story.tell('deliver 1->2').filter((line) => /^1->2 ACK \d/.test(line)).length;
    expect(acks()).toBe(0);
    expect(story.commits(2)).toEqual(['a', 'b', 'c', 'd']);
    // Now it is durable: the ACK may go, server 1 counts, and it is worth its vote.
    story.tell('fsync 1');
    expect(acks()).toBe(1);
    story.tell('crash 2');
    story.tell('restart 3');
    story.untilLeader(1, 3);
    endsWith(story, ['a', 'b', 'c', 'd']);
  });

  it('ZB-04, ZB-09: whatever batches survive, an epoch never outruns its history', () => {
    for (let keep = 0; keep <= 6; keep++) {
      const story = oneIsBehind();
      story.tell(`
        crash 3
        crash 2
        restart 2
        restart 1
      `);
      for (let i = 0; i < 12; i++) {
        story.tell('tick 1');
        story.tell('tick 2');
        story.tell('deliver 1->2');
        story.tell('fsync 2');
        story.tell('deliver 2->1');
        if (story.lines.at(-1)?.includes('NEWLEADER')) break;
        if (i < 8) story.tell('fsync 1');
      }
      story.tell(`crash 1 keep=${keep}`);
      story.tell('crash 2');
      story.tell('restart 1');
      story.tell('restart 3');
      story.untilLeader(1, 3);
      expect(story.commits(1)).toEqual(['a', 'b', 'c', 'd']);
      endsWith(story, ['a', 'b', 'c', 'd']);
    }
  });

  it('ZB-05: what an ACK vouched for outlives a power cut of all, without the leader', () => {
    const story = oneIsBehind();
    story.tell(`
      crash 3
      restart 1
    `);
    story.untilLeader(1, 2);
    story.tell('propose 2 e');
    story.tell('stabilize 1 2');
    expect(story.commits(2)).toEqual(['a', 'b', 'c', 'd', 'e']);
    for (const id of [1, 2]) story.tell(`crash ${id}`);
    story.tell('restart 1');
    story.tell('restart 3');
    story.untilLeader(1, 3);
    endsWith(story, ['a', 'b', 'c', 'd', 'e']);
  });

  it('ZB-16: a TRUNC that does not reach the disk is acknowledged by nobody', () => {
    const story = ledByTwo('a');
    story.tell(`
      propose 2 stray
      fsync 2
      crash 2
    `);
    const leader = story.untilLeader(1, 3);
    story.tell(`
      propose ${leader} b
      stabilize 1 3
      restart 2
    `);
    // Server 2's disk fails at the batch that cuts: the host stops it, nothing of it was written.
    for (let i = 0; i < 40; i++) {
      story.tell('tick 2');
      story.tell(`tick ${leader}`);
      story.tell('stabilize 1 3');
      story.tell(`deliver 2->${leader}`);
      story.tell(`fsync ${leader}`);
      const said = story.tell(`deliver ${leader}->2`);
      if (said.some((line) => /^2 writes .*truncate/.test(line))) break;
      story.tell('fsync 2');
    }
    const acks = story.tell(`deliver 2->${leader}`).filter((line) => /->\d ACK \d/.test(line));
    expect(acks).toEqual([]);
    story.tell('crash 2');
    expect(story.lines.filter((line) => /^2 writes .*truncate/.test(line))).toHaveLength(1);
    endsWith(story, ['a', 'b']);
  });

  it('ZB-17: at each batch boundary of a log currentEpoch is at most acceptedEpoch', () => {
    const cluster = new SimulatedCluster({
      protocol: zab,
      nodes: 3,
      seed: 'ZB-17',
      keepArchive: true,
    });
    for (let i = 0; i < 5; i++) {
      cluster.expectWithin('a leader', 5 * SECOND, () => cluster.leader() !== null);
      const leader = cluster.leader() as number;
      cluster.propose(leader, `write ${i}`);
      cluster.run(SECOND / 10);
      cluster.crash(leader);
      cluster.run(SECOND / 2);
      cluster.restart(leader);
    }
    for (const id of cluster.ids) {
      const archive = cluster.host(id).log.archive ?? [];
      expect(archive.some(({ kind }) => kind === RecordKind.establish)).toBe(true);
      for (let end = 0; end <= archive.length; end++) {
        const { acceptedEpoch, currentEpoch } = recover(null, archive.slice(0, end));
        expect(currentEpoch).toBeLessThanOrEqual(acceptedEpoch);
      }
    }
  });
});

describe('ZAB: the service goes on', () => {
  it('RF-16: a hub with an old log: no leader, nothing lost, until links mend', () => {
    const cluster = new SimulatedCluster({ protocol: zab, nodes: 5, seed: 'RF-16' });
    cluster.expectWithin('a leader', 5 * SECOND, () => cluster.leader() !== null);
    const old = cluster.leader() as number;
    const hub = cluster.ids.find((id) => id !== old) as number;
    cluster.isolate(hub);
    const missed = cluster.propose(old, 'missed');
    cluster.expectWithin('it is committed', SECOND, () => missed.outcome === 'done');
    cluster.run(SECOND);
    for (const a of cluster.ids) {
      for (const b of cluster.ids) {
        if (a === b) continue;
        const linked = (a === hub || b === hub) && a !== old && b !== old;
        if (linked) cluster.links.mend(a, b);
        else cluster.cut(a, b);
      }
    }
    cluster.run(10 * SECOND);
    expect(cluster.leader()).toBeNull();
    cluster.heal();
    cluster.expectWithin('a leader again', 10 * SECOND, () => cluster.leader() !== null);
    cluster.expectWithin('the hub has it', 5 * SECOND, () => cluster.committed(hub).length === 1);
    expect(cluster.committed(hub)).toEqual(['missed']);
  });

  it('ZB-10: a follower of long ago gets everything from a leader that was away itself', () => {
    const story = new Story(zab, 'cluster 5 seed=1');
    expect(story.untilLeader(1, 2, 3, 4, 5)).toBe(5);
    const texts: string[] = [];
    const write = (name: string, among: string): void => {
      for (let i = 0; i < 10; i++) {
        texts.push(`${name}${i}`);
        story.tell(`propose 5 ${name}${i}`);
      }
      story.tell(`stabilize ${among}`);
    };
    story.tell('crash 1');
    write('foo', '2 3 4 5');
    story.tell('crash 4');
    write('bar', '2 3 5');
    story.tell('restart 4');
    story.untilLeader(2, 3, 4, 5);
    story.tell('crash 5');
    expect(story.untilLeader(2, 3, 4)).toBe(4);
    story.tell('restart 1');
    story.untilLeader(1, 2, 3, 4);
    for (const id of [1, 2, 3, 4]) expect(story.commits(id)).toEqual(texts);
  });

  it('ZB-11: a snapshot that was sent while writes went on is continued without a gap', () => {
    for (let seed = 1; seed <= 3; seed++) {
      const cluster = new SimulatedCluster({
        protocol: zab,
        nodes: 3,
        seed: `ZB-11 ${seed}`,
        snapshotEveryEntries: 5,
        disk: { segmentBatchesMax: 3 },
        config: { limits: { logTailBytesMin: 0, logTailBytesMax: 20_000, syncBytesMax: 64 } },
      });
      cluster.expectWithin('a leader', 5 * SECOND, () => cluster.leader() !== null);
      const leader = cluster.leader() as number;
      const away = cluster.ids.find((id) => id !== leader) as number;
      cluster.crash(away);
      let written = 0;
      // Always some in flight: the log is longer than what is applied when a snapshot is cut.
      const write = (): void => {
        for (let i = 0; i < 3; i++) {
          cluster.propose(leader, `write ${written++}`);
          cluster.run(150);
        }
        cluster.run(900);
      };
      for (let i = 0; i < 30; i++) write();
      cluster.restart(away);
      const installed = (): boolean =>
        cluster.events.some(
          ({ from, event }) => from === away && event.kind === 'snapshotInstalled',
        );
      for (let i = 0; i < 500 && !installed(); i++) write();
      expect(installed()).toBe(true);
      cluster.crash(away); // Right behind the installation; a DIFF has to continue it.
      for (let i = 0; i < 3; i++) write();
      cluster.restart(away);
      cluster.expectWithin(
        'all have everything',
        5 * SECOND,
        () => cluster.committed(away).length === written,
      );
      expect(cluster.committed(away)).toEqual(cluster.committed(leader));
    }
  });

  it('ZB-23: a follower that dies while it reads a proposal gets it when it is back', () => {
    const story = ledByTwo('open');
    story.tell(`
      propose 2 close-session
      deliver 2->1
      crash 1
      stabilize 2 3
    `);
    expect(story.commits(2)).toEqual(['open', 'close-session']);
    story.tell('restart 1');
    story.untilLeader(1, 2, 3);
    expect(story.commits(1)).toEqual(['open', 'close-session']);
    endsWith(story, ['open', 'close-session']);
  });

  it('ZB-25: a leader whose log stands still gives way, and the others serve', () => {
    const cluster = new SimulatedCluster({ protocol: zab, nodes: 3, seed: 'ZB-25' });
    cluster.expectWithin('a leader', 5 * SECOND, () => cluster.leader() !== null);
    const old = cluster.leader() as number;
    cluster.stallDisk(old, true);
    cluster.propose(old, 'stuck');
    cluster.expectWithin('another leader', 5 * SECOND, () => {
      const leader = cluster.leader();
      return leader !== null && leader !== old && cluster.status(old).role !== 'leader';
    });
    const write = cluster.propose(cluster.leader() as number, 'served');
    cluster.expectWithin('it is served', SECOND, () => write.outcome === 'done');
  });

  it('ZB-29: a proposal never overtakes the NEWLEADER that waits for the leader’s disk', () => {
    const story = ledByTwo('a');
    story.tell('crash 1');
    story.tell('restart 1');
    // The leader's disk stands; the joiner is answered, and clients write meanwhile.
    const heard: string[] = [];
    for (let i = 0; i < 30; i++) {
      story.tell('tick 1');
      story.tell('fsync 1');
      story.tell('deliver 1->2');
      if (i % 3 === 0) story.tell(`propose 2 w${i}`);
      if (i % 5 === 4) story.tell('stabilize 2 3');
      heard.push(...story.tell('deliver 2->1').filter((line) => line.startsWith('2->1 ')));
    }
    const first = (word: string): number => heard.findIndex((line) => line.includes(word));
    expect(first('NEWLEADER')).toBeGreaterThanOrEqual(0);
    expect(first('PROPOSE')).toBeGreaterThan(first('NEWLEADER'));
    const complaints = story.lines.filter((line) => /^1 messageIgnored.*(behind|gap)/.test(line));
    expect(complaints).toEqual([]);
  });
});
