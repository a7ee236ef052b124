import type { ReadyLine } from '@quorate/cluster';
import type { ClusterFile, ServerSettings } from './cluster-file.ts';
import { ServerError } from './errors.ts';
import { PROTOCOL_NAMES, protocolNamed } from './protocols.ts';
import type { RunningServer } from './server.ts';
import type { ServerOptions } from './server-options.ts';

/** What a person or a harness says on the command line, beside the cluster file. */
export interface LaunchFlags {
  readonly id: number;
  readonly protocol: string;
  readonly dataDirectory: string;
  readonly bootstrap?: 'new' | 'existing';
  readonly listen?: string;
  readonly peerListen?: string;
  readonly clientListen?: string;
  readonly overrides?: Partial<ServerSettings>;
}

/** Joins flags and cluster file. Throws {@link ServerError} when they do not fit each other. */
export function serverOptions(
  flags: LaunchFlags,
  cluster: ClusterFile,
  log: ServerOptions['log'],
): ServerOptions {
  const protocol = protocolNamed(flags.protocol);
  if (protocol === null) {
    const message = `--protocol ${flags.protocol}: allowed are ${PROTOCOL_NAMES.join(', ')}`;
    throw new ServerError('SERVER_ERR_USAGE', message);
  }
  const self = cluster.members.find((member) => member.id === flags.id);
  if (self === undefined) {
    const ids = cluster.members.map((member) => member.id).join(', ');
    const message = `--id ${flags.id} is not among the members (${ids})`;
    throw new ServerError('SERVER_ERR_USAGE', message);
  }
  if (protocol.name === 'none' && cluster.members.length > 1) {
    const message = `protocol "none" replicates nothing: 1 member, not ${cluster.members.length}`;
    throw new ServerError('SERVER_ERR_USAGE', message);
  }
  const settings = { ...cluster.settings, ...flags.overrides };
  const unknown = Object.keys(settings.variants).find((name) => !(name in protocol.variants));
  if (unknown !== undefined) {
    const known = Object.keys(protocol.variants).join(', ') || 'none';
    const message = `variant "${unknown}" is unknown to ${protocol.name}; allowed: ${known}`;
    throw new ServerError('SERVER_ERR_USAGE', message);
  }
  return {
    id: flags.id,
    protocol,
    clusterId: cluster.clusterId,
    members: cluster.members,
    settings,
    dataDirectory: flags.dataDirectory,
    ...(flags.bootstrap === undefined ? {} : { bootstrap: flags.bootstrap }),
    listen: {
      http: flags.listen ?? self.http,
      peer: flags.peerListen ?? self.peer,
      client: flags.clientListen ?? self.client,
    },
    log,
  };
}

/** What a replica says once it serves. */
export function readyLine(options: ServerOptions, server: RunningServer): ReadyLine {
  const { http, peer, client } = server.addresses;
  const { id, protocol } = options;
  return { ready: true, id, protocol: protocol.name, http, peer, client, pid: process.pid };
}
