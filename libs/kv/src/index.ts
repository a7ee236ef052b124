export {
  checkCommand,
  checkEncodedCommand,
  commandBytes,
  decodeCommand,
  encodeCommand,
  KV_LIMITS_DEFAULT,
  type KvCommand,
  type KvCommandFault,
  type KvCondition,
  type KvLimits,
  type KvRequestId,
  NO_CONDITION,
  writeCommand,
} from './command.ts';
export { CLIENT_ID_BYTES } from './command-scan.ts';
export { type KvFound, KvStateMachine } from './kv-state-machine.ts';
export { decodeResult, encodeResult, type KvResult, type KvStatus } from './result.ts';
export { KV_SESSION_LIMITS_DEFAULT, type KvSessionLimits } from './sessions.ts';
