import {
  type EngineEvent,
  nodeId,
  type Ready,
  RecordKind,
  type Round,
  type WalRecord,
  walRecord,
} from '@quorate/consensus';
import { crc32Table } from '@quorate/foundation';
import type { RunObserver } from '@quorate/simulator';
import type { ZabMessage } from '@quorate/zab';
import { beforeEach, describe, expect, it } from 'vitest';
import { zabRules } from './zab-rules.ts';

const [one, two, three] = [nodeId(1), nodeId(2), nodeId(3)];
type Node = typeof one;

const promise = (epoch: number, from: Node): WalRecord =>
  walRecord({ kind: RecordKind.promise, round: epoch as Round, node: from });
const establish = (epoch: number): WalRecord =>
  walRecord({ kind: RecordKind.establish, round: epoch as Round });

describe('Z1', () => {
  let rules: RunObserver<ZabMessage>;
  const records = (node: Node, ...batch: WalRecord[]): void => {
    const ready = { events: [], committed: [], messages: [], messagesAfterPersist: [] };
    const readStates: never[] = [];
    const rest = { readStates, abandoned: [], snapshotToInstall: null };
    rules.taken(node, { ...ready, ...rest, records: batch } as unknown as Ready<ZabMessage>);
    rules.persisted(node, batch);
  };
  const elected = (node: Node): void => {
    const events = [{ kind: 'elected' } as EngineEvent];
    const ready = { events, committed: [], records: [], messages: [], messagesAfterPersist: [] };
    const rest = { readStates: [], abandoned: [], snapshotToInstall: null };
    rules.taken(node, { ...ready, ...rest } as unknown as Ready<ZabMessage>);
  };
  const counted = (leader: Node, from: Node): void => {
    rules.received(leader, from, { kind: 'ackEpoch', epoch: 5, counted: true } as ZabMessage);
  };
  const newLeader = (follower: Node, from: Node): void => {
    rules.received(follower, from, { kind: 'newLeader', epoch: 5, index: 0 } as ZabMessage);
  };

  beforeEach(() => {
    const fail = (invariant: string, text: string): never => {
      throw new Error(`${invariant}: ${text}`);
    };
    rules = zabRules({ voters: [one, two, three], fail, crc32: crc32Table });
    for (const node of [one, two, three]) rules.opened(node, null, []);
    // Servers 2 and 3 both proposed epoch 5; server 1 promised it to server 2, which leads.
    for (const node of [two, three]) {
      elected(node);
      records(node, promise(5, node));
    }
    records(one, promise(5, two));
    counted(two, one);
    records(two, establish(5));
  });

  it('lets a server that proposed an epoch in vain follow another one in it', () => {
    newLeader(three, two);
    expect(() => records(three, establish(5))).not.toThrow();
  });

  it('a second server that leads the epoch breaks it, whatever it heard before', () => {
    newLeader(three, two);
    elected(three);
    counted(three, one);
    expect(() => records(three, establish(5))).toThrow('Z1: servers 2 and 3 both lead epoch 5');
  });
});
