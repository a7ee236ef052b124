import {
  EntryType,
  type NodeId,
  type Protocol,
  type Ready,
  RecordKind,
  type WalRecord,
} from '@quorate/consensus';

const DECODER = new TextDecoder();

/** A Ready as lines for people: what happened, what is written, sent and concluded. */
export function describeReady<M>(protocol: Protocol<M>, id: NodeId, ready: Ready<M>): string[] {
  const lines: string[] = [];
  for (const { kind, round, node, detail } of ready.events) {
    const about = node === 0 ? '' : ` node ${node}`;
    lines.push(`${id} ${kind} round ${round}${about}${detail === '' ? '' : `: ${detail}`}`);
  }
  if (ready.snapshotToInstall !== null) {
    lines.push(`${id} installs snapshot ${ready.snapshotToInstall.index}`);
  }
  for (const { to, message } of ready.messages) {
    lines.push(`${id} sends to ${to.join(', ')}: ${protocol.describeMessage(message)}`);
  }
  const hint = ready.mustSync ? '' : ' (no sync)';
  if (ready.records.length > 0) {
    const written = ready.records.map(describeRecord).join(', ');
    lines.push(`${id} writes #${ready.number}${hint}: ${written}`);
  }
  for (const { to, message } of ready.messagesAfterPersist) {
    const said = protocol.describeMessage(message);
    lines.push(`${id} sends to ${to.join(', ')} after #${ready.number}: ${said}`);
  }
  for (const { to, meta } of ready.snapshotsToSend) {
    lines.push(`${id} streams snapshot ${meta.index} to ${to}`);
  }
  for (const { index, type, payload, ticket } of ready.committed) {
    const asked = ticket === 0 ? '' : ` ticket ${ticket}`;
    lines.push(`${id} commits ${index} ${describeEntry(type, payload)}${asked}`);
  }
  for (const { ticket, index } of ready.readStates) {
    lines.push(`${id} reads ticket ${ticket} at ${index}`);
  }
  for (const { ticket, outcome } of ready.abandoned) {
    lines.push(`${id} abandons ticket ${ticket}: ${outcome}`);
  }
  return lines;
}

/** One record in few words. */
export function describeRecord(record: WalRecord): string {
  const { kind, entryType, round, index, node, counter, payload } = record;
  const by = node === 0 ? `${round}` : `${round}.${node}`;
  const count = counter === 0 ? '' : `:${counter}`;
  switch (kind) {
    case RecordKind.promise:
      return `promise ${by}`;
    case RecordKind.establish:
      return `establish ${by}`;
    case RecordKind.accept:
      return `accept ${index}@${by}${count} ${describeEntry(entryType, payload)}`;
    case RecordKind.chosen:
      return `chosen ${index} ${describeEntry(entryType, payload)}`;
    case RecordKind.truncate:
      return `truncate ${index}`;
    case RecordKind.commit:
      return `commit ${index}`;
    case RecordKind.snapshot:
      return `snapshot ${index}`;
  }
}

function describeEntry(type: EntryType, payload: Uint8Array): string {
  if (type === EntryType.noop) return 'no-op';
  return type === EntryType.command ? `"${DECODER.decode(payload)}"` : 'membership';
}
