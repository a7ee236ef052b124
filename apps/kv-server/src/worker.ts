import type { ControlRequest, ReplicaLine, WorkerTask } from '@quorate/cluster';
import { readClusterFile } from './cluster-file.ts';
import { answerControl } from './control.ts';
import { HealthWatch } from './gauges.ts';
import { readyLine, serverOptions } from './launch.ts';
import { startServer } from './server.ts';

/**
 * One replica as the only, endless task of a worker thread. The promise settles when the replica
 * has stopped; a harness that wants it gone without grace terminates the thread.
 */
export async function runReplica(task: WorkerTask): Promise<void> {
  const { control, launch } = task;
  const post = (line: ReplicaLine): void => control.postMessage(line);
  const { addresses } = launch;
  const options = serverOptions(
    {
      id: launch.id,
      protocol: task.protocol,
      dataDirectory: launch.dataDirectory,
      bootstrap: launch.bootstrap,
      // A broker hands out addresses of its own; the old ones are free again.
      ...(addresses === null
        ? {}
        : { listen: addresses.http, peerListen: addresses.peer, clientListen: addresses.client }),
    },
    readClusterFile(launch.clusterFile),
    () => undefined,
  );
  const health = new HealthWatch();
  let ended: () => void = () => undefined;
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const server = await startServer({
    ...options,
    broker: task.broker,
    onEvent: (event, atMicros) => {
      const { kind, round, node, detail } = event;
      post({ event: kind, atMicros, round, node, detail });
    },
    onFatal: (code, message) => {
      post({ fatal: { code, message } });
      ended();
    },
  });
  const cell = new Int32Array(task.pauseCell);
  const target = {
    ...{ options, server, health },
    stop: () => void server.stop().then(ended, ended),
    block: (micros: number): void => {
      Atomics.store(cell, 0, 1);
      Atomics.wait(cell, 0, 1, micros / 1000);
      Atomics.store(cell, 0, 0);
    },
  };
  control.on('message', (request: ControlRequest & { readonly request: number }) => {
    answerControl(target, request, post);
  });
  post(readyLine(options, server));
  await end;
  health.stop();
  control.close();
}
