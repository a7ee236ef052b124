import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  dumpWal,
  nodeRecordCodec,
  openNodeDisk,
  verifyWal,
  type WalError,
  type WalLocation,
} from '@quorate/wal';
import { ExitCode, UsageError } from '../errors.ts';

/** Carries out `quorate wal dump`: every segment, batch and record as lines. */
export async function walDumpCommand(directory: string): Promise<number> {
  const location = locate(directory);
  const lines = await new Promise<Iterable<string>>((resolve, reject) => {
    dumpWal(location, (error, found) => (error === null ? resolve(found ?? []) : reject(error)));
  }).catch((error: WalError) => refuse(directory, error));
  for (const line of lines) process.stdout.write(`${line}\n`);
  return ExitCode.ok;
}

/** Carries out `quorate wal verify`: 0 when the log opens and loses nothing durable, else 3. */
export async function walVerifyCommand(directory: string): Promise<number> {
  const location = locate(directory);
  const verdict = await new Promise<{ sound: boolean; decision: string; summary: string }>(
    (resolve, reject) => {
      verifyWal(location, (error, found) => {
        if (error !== null || found === null) reject(error);
        else resolve(found);
      });
    },
  ).catch((error: WalError) => refuse(directory, error));
  process.stdout.write(`${verdict.decision}: ${verdict.summary}\n`);
  return verdict.sound ? ExitCode.ok : ExitCode.violation;
}

/** A replica's data directory, or the folder of segments itself. */
function locate(directory: string): WalLocation {
  const inside = join(directory, 'wal');
  const folder = existsSync(inside) ? inside : directory;
  if (!existsSync(folder)) throw new UsageError(`${directory}: there is no such directory`);
  if (!readdirSync(folder).some((name) => /^wal-segment-\d+\.log$/.test(name))) {
    throw new UsageError(`${directory}: holds no wal-segment-*.log; name a data directory`);
  }
  return { disk: openNodeDisk(folder), directory: '.', records: nodeRecordCodec() };
}

function refuse(directory: string, error: WalError): never {
  throw new UsageError(`${directory}: ${error.code}: ${error.message}`);
}
