export { type ClusterFile, parseClusterFile, readClusterFile } from './cluster-file.ts';
export { PROTOCOL_NAMES, protocolNamed } from './protocols.ts';

// Replicas are started from the build, also by tests that run from the sources.
const compiled = import.meta.url.endsWith('.ts') ? '../dist' : '.';

/** The compiled entry files of the server, for whoever starts replicas. */
export const SERVER_ENTRIES = {
  process: new URL(`${compiled}/run.js`, import.meta.url),
  worker: new URL(`${compiled}/worker.js`, import.meta.url),
} as const;
