import type { WalRecord } from '@quorate/consensus';
import { unreachable } from '@quorate/foundation';
import type { ZabMessage } from './messages.ts';
import { formatZxid, zxidOf } from './zxid.ts';

/** One line for traces and golden scripts, in the paper's words. Nonces are left out. */
export function describeMessage(message: ZabMessage): string {
  switch (message.kind) {
    case 'notification': {
      const { state, round, vote } = message;
      const history = `${vote.epoch} ${formatZxid(vote.zxid)}`;
      return `NOTIFICATION ${state} round=${round} vote=${vote.leader} (${history})`;
    }
    case 'followerInfo':
      return `FOLLOWERINFO acceptedEpoch=${message.acceptedEpoch}`;
    case 'newEpoch':
      return `NEWEPOCH ${message.epoch}`;
    case 'ackEpoch': {
      const { epoch, counted, currentEpoch, zxid } = message;
      const promise = counted ? '' : ' uncounted';
      return `ACKEPOCH ${epoch}${promise} currentEpoch=${currentEpoch} last=${formatZxid(zxid)}`;
    }
    case 'trunc':
      return `TRUNC ${message.epoch} to ${formatZxid(message.zxid)}`;
    case 'snap':
      return `SNAP ${message.epoch} index=${message.meta.index}`;
    case 'diff':
      return `DIFF ${message.epoch} ${describeRecords(message.records)}`;
    case 'syncAck':
      return `SYNCACK ${message.epoch} index=${message.index}`;
    case 'newLeader':
      return `NEWLEADER ${message.epoch} at ${formatZxid(message.zxid)}`;
    case 'upToDate':
      return `UPTODATE ${message.epoch} committed=${message.committed}`;
    case 'propose': {
      const { epoch, committed, records } = message;
      return `PROPOSE ${epoch} ${describeRecords(records)} committed=${committed}`;
    }
    case 'commit':
      return `COMMIT ${message.epoch} committed=${message.committed}`;
    case 'ack':
      return `ACK ${message.epoch} index=${message.index}`;
    case 'ping':
      return `PING ${message.epoch} token=${message.token}`;
    case 'read': {
      const { epoch, token, index, refused } = message;
      return `READ ${epoch} token=${token} ${refused ? 'refused' : `index=${index}`}`;
    }
    default:
      return unreachable(message, 'every kind has a description');
  }
}

function describeRecords(records: readonly WalRecord[]): string {
  const first = records[0];
  const last = records[records.length - 1];
  if (first === undefined || last === undefined) return 'nothing';
  if (first === last) return formatZxid(zxidOf(first));
  return `${formatZxid(zxidOf(first))}..${formatZxid(zxidOf(last))}`;
}
