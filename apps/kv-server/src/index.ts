export { CLIENT_SERVICE_PATH } from './client-service-path.ts';
export { type ClusterFile, parseClusterFile, readClusterFile } from './cluster-file.ts';
export { PROTOCOL_NAMES, protocolNamed } from './protocols.ts';

/** The compiled entry files of the server, for whoever starts replicas. */
export const SERVER_ENTRIES = {
  process: new URL('./run.js', import.meta.url),
  worker: new URL('./worker.js', import.meta.url),
} as const;
