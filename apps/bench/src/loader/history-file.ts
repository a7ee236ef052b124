import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createGzip } from 'node:zlib';
import { CAS, DELETE, GET, keyName, NO_WRITE, valueName } from '@quorate/workload';
import {
  FAIL,
  INFO,
  type LoggedOperation,
  OK,
  type OperationLog,
  SEEN_ABSENT,
} from './operation-log.ts';

const FLUSH_CHARACTERS = 1 << 16;
const NAMES = ['write', 'read', 'delete', 'cas'];
const TYPES: Readonly<Record<number, string>> = { [OK]: 'ok', [FAIL]: 'fail', [INFO]: 'info' };

/**
 * Writes the log as a history in Jepsen's words, gzipped, keeping only keys that `keeps`. Times are
 * nanoseconds since `originMicros`. An invocation also carries the phase that it belongs to and its
 * intended start, so that the published percentiles can be recomputed from this file alone: exactly
 * where it keeps every key, else within what a sample can tell. Returns the number of operations
 * written.
 */
export async function writeHistory(
  log: OperationLog,
  file: string,
  originMicros: number,
  phases: readonly string[],
  keeps: (key: number) => boolean,
): Promise<number> {
  const gzip = createGzip({ level: 3 });
  const out = createWriteStream(file);
  gzip.pipe(out);
  let text = '';
  let operations = 0;
  for (let place = 0; place < log.events; place++) {
    const { number, isEnd } = log.eventAt(place);
    const operation = log.at(number);
    if (!keeps(operation.key)) continue;
    if (!isEnd) operations++;
    const phase = phases[operation.phase] ?? '';
    text += isEnd ? endLine(operation, originMicros) : invokeLine(operation, originMicros, phase);
    if (text.length >= FLUSH_CHARACTERS) {
      if (!gzip.write(text)) await once(gzip, 'drain');
      text = '';
    }
  }
  gzip.end(text);
  await once(out, 'close');
  return operations;
}

function line(
  micros: number,
  operation: LoggedOperation,
  type: string,
  value: string,
  extra: string,
): string {
  const { process, kind, key } = operation;
  const head = `{"time":${nanosOf(micros)},"process":${process},"type":"${type}"`;
  const body = `"f":"${NAMES[kind] ?? '?'}","key":"${keyName(key)}"`;
  return `${head},${body}${value === '' ? '' : `,"value":${value}`}${extra}}\n`;
}

function nanosOf(micros: number): number {
  return Math.max(0, Math.round(micros * 1000));
}

function invokeLine(operation: LoggedOperation, origin: number, phase: string): string {
  const intended = nanosOf(operation.intendedMicros - origin);
  const extra = `,"phase":"${phase}","intended":${intended}`;
  const time = operation.startedMicros - origin;
  return line(time, operation, 'invoke', argumentOf(operation), extra);
}

function endLine(operation: LoggedOperation, origin: number): string {
  const type = TYPES[operation.outcome] ?? 'info';
  const isSeen = operation.kind === GET && operation.outcome === OK;
  const value = isSeen ? seenValue(operation.seen) : argumentOf(operation);
  return line(operation.endedMicros - origin, operation, type, value, '');
}

function argumentOf({ kind, write, expected }: LoggedOperation): string {
  if (kind === GET || kind === DELETE) return '';
  const value = `"${valueName(write)}"`;
  return kind === CAS ? `[${seenValue(expected)},${value}]` : value;
}

/** Nothing at all for "nobody kept what it saw". */
function seenValue(seen: number): string {
  if (seen === SEEN_ABSENT) return 'null';
  return seen === NO_WRITE ? '' : `"${valueName(seen)}"`;
}
