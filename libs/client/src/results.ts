import { decodeResult, type KvResult } from '@quorate/kv';
import type { ClientErrorCode } from './errors.ts';
import type { Operation } from './operation.ts';
import type { OperationOutcome, OperationResult } from './types.ts';
import type { Answer } from './wire.ts';

/** The result of an operation that failed, definitely or not. */
export function failedResult(
  operation: Operation,
  outcome: OperationOutcome,
  code: ClientErrorCode,
  message: string,
): OperationResult {
  return {
    outcome,
    code,
    message,
    revision: 0,
    created: false,
    deleted: false,
    currentRevision: 0,
    replayed: false,
    value: null,
    appliedIndex: 0,
    attempts: operation.attempts,
  };
}

/**
 * The result of an answer without a transport or service error. Throws `MalformedBytes` when a
 * write's answer holds no result.
 */
export function answeredResult(operation: Operation, answer: Answer): OperationResult {
  if (operation.isWrite) return writeResult(operation, decodeResult(answer.result));
  const status = operation.kind === 'status';
  return {
    outcome: 'ok',
    code: null,
    message: '',
    revision: answer.revision,
    created: false,
    deleted: false,
    currentRevision: 0,
    replayed: false,
    // A view into a frame of many answers would keep all of them alive.
    value: status ? answer.statusJson.slice() : answer.found ? answer.value.slice() : null,
    appliedIndex: answer.appliedIndex,
    attempts: operation.attempts,
  };
}

function writeResult(operation: Operation, result: KvResult): OperationResult {
  const code = codeOf(result);
  return {
    outcome: code === null ? 'ok' : code === 'sequence_forgotten' ? 'unknown' : 'fail',
    code,
    message: '',
    revision: result.revision,
    created: result.created,
    deleted: result.deleted,
    currentRevision: result.currentRevision,
    replayed: result.replayed,
    value: null,
    appliedIndex: 0,
    attempts: operation.attempts,
  };
}

function codeOf(result: KvResult): ClientErrorCode | null {
  if (result.status === 'ok') return null;
  return result.status === 'invalid_command' ? 'unprocessable' : result.status;
}
