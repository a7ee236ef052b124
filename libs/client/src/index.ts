export { DEFAULT_CLIENT_SERVER_LIMITS, serveClients } from './client-server.ts';
export {
  CLIENT_ERROR_CODES,
  CLIENT_ERRORS,
  ClientError,
  type ClientErrorCode,
  type ErrorOutcome,
  TRANSIENT_ERRORS,
} from './errors.ts';
export { connectClient, DEFAULT_CLIENT_LIMITS } from './kv-client.ts';
export { type BytesOrText, type PromiseClient, promiseClient } from './promise-client.ts';
export type { ClientService, LeaderHint, ReadAnswer, ServiceError } from './service.ts';
export type {
  Client,
  ClientCounters,
  ClientLimits,
  ClientOptions,
  ClientServer,
  ClientServerLimits,
  OperationDone,
  OperationOutcome,
  OperationResult,
  ReadSettings,
  RetryPolicy,
  ServeClientsDone,
  ServeClientsOptions,
  WriteSettings,
} from './types.ts';
export { CLIENT_SERVICE_PATH } from './wire.ts';
