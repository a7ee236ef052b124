import { EntryType, type WalRecord } from '@quorate/consensus';
import { unreachable } from '@quorate/foundation';
import { describeBallot } from './ballot.ts';
import type { PaxosMessage } from './messages.ts';
import { ballotOf } from './records.ts';

/** One line for traces and golden scripts, in the words of the papers. */
export function describeMessage(message: PaxosMessage): string {
  switch (message.kind) {
    case 'probe':
      return `Probe b=${describeBallot(message.ballot)}`;
    case 'probeReply': {
      const answer = message.willing ? 'willing' : 'hears a leader';
      const promised = describeBallot(message.promised);
      return `ProbeReply b=${describeBallot(message.ballot)} ${answer} promised=${promised}`;
    }
    case 'prepare':
      return `Prepare b=${describeBallot(message.ballot)} from=${message.fromSlot}`;
    case 'promise': {
      const range = `${message.fromSlot}..${message.throughSlot}${message.last ? '' : ' more'}`;
      const known = `trim=${message.trimMark} chosen=${message.chosenPrefix}`;
      const held = message.accepted.map(describeRecord).join(' ');
      return `Promise b=${describeBallot(message.ballot)} slots=${range} ${known} [${held}]`;
    }
    case 'preempted':
      return `Preempted b=${describeBallot(message.ballot)} by=${describeBallot(message.promised)}`;
    case 'accept': {
      const range = describeRange(message.firstSlot, message.proposals.length);
      const ballot = describeBallot(message.ballot);
      return `Accept b=${ballot} slots=${range} chosen=${message.chosenPrefix}`;
    }
    case 'accepted': {
      const ranges = message.ranges.map((range) => `${range.first}..${range.last}`).join(' ');
      const ballot = describeBallot(message.ballot);
      return `Accepted b=${ballot} slots=${ranges} chosen=${message.chosenPrefix}`;
    }
    case 'chosen':
      return `Chosen b=${describeBallot(message.ballot)} chosen=${message.chosenPrefix}`;
    case 'heartbeat':
    case 'heartbeatReply': {
      const name = message.kind === 'heartbeat' ? 'Heartbeat' : 'HeartbeatReply';
      const ballot = describeBallot(message.ballot);
      return `${name} b=${ballot} seq=${message.sequence} chosen=${message.chosenPrefix}`;
    }
    case 'catchUpRequest':
      return `CatchUpRequest from=${message.fromSlot}`;
    case 'catchUpReply': {
      const range = describeRange(message.firstSlot, message.chosen.length);
      return `CatchUpReply slots=${range} chosen=${message.chosenPrefix}`;
    }
    case 'snapshotOffer':
      return `SnapshotOffer slot=${message.slot} bytes=${message.bytes}`;
    case 'readRequest':
      return `ReadRequest b=${describeBallot(message.ballot)} request=${message.request}`;
    case 'readReply': {
      const ballot = describeBallot(message.ballot);
      return `ReadReply b=${ballot} request=${message.request} slot=${message.slot}`;
    }
    default:
      return unreachable(message, 'a message kind without a description');
  }
}

function describeRange(first: number, count: number): string {
  return count === 0 ? 'none' : `${first}..${first + count - 1}`;
}

function describeRecord(record: WalRecord): string {
  const ballot = record.round === 0 ? 'chosen' : describeBallot(ballotOf(record));
  const value = record.entryType === EntryType.noop ? 'noop' : `${record.payload.length}B`;
  return `${record.index}@${ballot}:${value}`;
}
