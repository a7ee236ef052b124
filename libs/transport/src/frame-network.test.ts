import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Cancel } from '@quorate/consensus';
import { concatBytes, createRandom } from '@quorate/foundation';
import { afterEach, describe, expect, test } from 'vitest';
import { TransportError } from './errors.ts';
import { grpcFrames } from './grpc-frames.ts';
import { messagePortFrames } from './message-port-frames.ts';
import { nodeNet } from './node-net.ts';
import { createPortBroker } from './port-broker.ts';
import { tcpFrames } from './tcp-frames.ts';
import type { FrameChannel, FrameHandlers, FrameListener, FrameNetwork } from './types.ts';

/** The contract of `FrameNetwork`, run over each body. */

const LIMIT = 1024 * 1024;
const SERVICE = '/quorate.test.v1.Test/Exchange';

const bodies: readonly [string, () => FrameNetwork][] = [
  ['tcp', () => tcpFrames(nodeNet(), { frameBytesMax: LIMIT })],
  ['grpc', () => grpcFrames({ servicePath: SERVICE, frameBytesMax: LIMIT })],
  ['message-port', () => messagePortFrames(createPortBroker().connect(), { frameBytesMax: LIMIT })],
];

/** Records what a channel tells, and lets a test wait for it. */
class Ear implements FrameHandlers {
  readonly frames: Uint8Array[] = [];
  drains = 0;
  reason: string | null = null;
  bytes = 0;
  onFrame: (() => void) | null = null;
  private readonly waiters = new Set<() => void>();

  frame(bytes: Uint8Array): void {
    expect(this.reason).toBeNull();
    this.frames.push(bytes);
    this.bytes += bytes.length;
    this.onFrame?.();
    this.changed();
  }

  drained(): void {
    expect(this.reason).toBeNull();
    this.drains++;
    this.changed();
  }

  closed(reason: string): void {
    expect(this.reason).toBeNull();
    this.reason = reason;
    this.changed();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.waiters.add(resolve);
      });
    }
  }

  private changed(): void {
    for (const waiter of this.waiters) waiter();
    this.waiters.clear();
  }
}

interface End {
  readonly channel: FrameChannel;
  readonly ear: Ear;
}

interface Pair {
  readonly address: string;
  readonly dialler: End;
  readonly acceptor: End;
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

function end(channel: FrameChannel): End {
  const ear = new Ear();
  channel.attach(ear);
  cleanups.push(() => channel.close());
  return { channel, ear };
}

function listen(
  network: FrameNetwork,
  address: string,
  accept: (channel: FrameChannel) => void,
): Promise<FrameListener> {
  return new Promise((resolve, reject) => {
    network.listen(address, accept, (error, listener) => {
      if (listener === null) return reject(error);
      cleanups.push(() => listener.close());
      resolve(listener);
    });
  });
}

function dial(network: FrameNetwork, address: string): Promise<End> {
  return new Promise((resolve, reject) => {
    network.dial(address, (error, channel) => {
      if (channel === null) reject(error);
      else resolve(end(channel));
    });
  });
}

async function connect(network: FrameNetwork): Promise<Pair> {
  let accepted: (acceptor: End) => void = () => {};
  const acceptor = new Promise<End>((resolve) => {
    accepted = resolve;
  });
  const listener = await listen(network, '127.0.0.1:0', (channel) => accepted(end(channel)));
  const dialler = await dial(network, listener.address);
  return { address: listener.address, dialler, acceptor: await acceptor };
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function send(from: End, ...parts: Uint8Array[]): void {
  from.channel.send(parts);
  from.channel.flush();
}

function sendUntilQueued(from: End, frame: Uint8Array, queuedBytes: number): number {
  let sent = 0;
  while (from.channel.queuedBytes < queuedBytes) {
    send(from, frame);
    sent++;
  }
  return sent;
}

describe.each(bodies)('a frame network over %s', (name, open) => {
  test('has a name and gives a real address where port 0 was asked', async () => {
    const network = open();
    const listener = await listen(network, '127.0.0.1:0', () => {});
    expect(network.name).toBe(name);
    expect(listener.address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
  });

  test('carries frames of all sizes both ways, whole and in order', async () => {
    const { dialler, acceptor } = await connect(open());
    const random = createRandom('sizes');
    const sent: Uint8Array[] = [];
    for (const size of [0, 1, 3, 4, 5, 2047, 2048, 16_383, 16_384, 65_536, 300_000, LIMIT]) {
      const frame = new Uint8Array(size).map(() => random.below(256));
      sent.push(frame);
      const half = Math.floor(size / 2);
      dialler.channel.send([frame.subarray(0, half), frame.subarray(half)]);
      acceptor.channel.send([frame]);
    }
    dialler.channel.flush();
    acceptor.channel.flush();
    for (const { ear } of [acceptor, dialler]) {
      await ear.until(() => ear.frames.length === sent.length);
      ear.frames.forEach((frame, i) => {
        expect(Buffer.compare(frame, sent[i]!)).toBe(0);
      });
    }
  });

  test('received frames stay unchanged and small ones pin no large buffer', async () => {
    const { dialler, acceptor } = await connect(open());
    for (let i = 0; i < 2000; i++) dialler.channel.send([text(`frame ${i}`)]);
    dialler.channel.send([new Uint8Array(50_000)]);
    dialler.channel.flush();
    await acceptor.ear.until(() => acceptor.ear.frames.length === 2001);
    for (let i = 0; i < 2000; i++) {
      expect(new TextDecoder().decode(acceptor.ear.frames[i]!)).toBe(`frame ${i}`);
      expect(acceptor.ear.frames[i]!.buffer.byteLength).toBeLessThanOrEqual(8192);
    }
  });

  test('sends nothing before flush', async () => {
    const { dialler, acceptor } = await connect(open());
    dialler.channel.send([text('held')]);
    expect(dialler.channel.queuedBytes).toBeGreaterThan(0);
    send(acceptor, text('ping'));
    await dialler.ear.until(() => dialler.ear.frames.length === 1);
    expect(acceptor.ear.frames).toEqual([]);
    dialler.channel.flush();
    await acceptor.ear.until(() => acceptor.ear.frames.length === 1);
  });

  test('refuses a frame beyond the limit at the sender', async () => {
    const { dialler } = await connect(open());
    expect(() => dialler.channel.send([new Uint8Array(LIMIT), new Uint8Array(1)])).toThrow(
      expect.objectContaining({ code: 'TRANSPORT_ERR_FRAME_TOO_LARGE' }),
    );
  });

  test('a paused reader fills the queue, and resuming drains it without a loss', async () => {
    const { dialler, acceptor } = await connect(open());
    acceptor.channel.pause();
    const frame = new Uint8Array(100_000).fill(7);
    const sent = sendUntilQueued(dialler, frame, 16 * LIMIT);
    // Whatever the network takes by itself, a turn of exchange later the bulk is still queued here.
    send(acceptor, text('ping'));
    await dialler.ear.until(() => dialler.ear.frames.length === 1);
    expect(dialler.channel.queuedBytes).toBeGreaterThan(4 * LIMIT);
    acceptor.channel.resume();
    await acceptor.ear.until(() => acceptor.ear.frames.length === sent);
    await dialler.ear.until(() => dialler.channel.queuedBytes === 0 && dialler.ear.drains > 0);
  });

  test.each(['dialler', 'acceptor'] as const)('close by the %s is told to both', async (closer) => {
    const pair = await connect(open());
    pair[closer].channel.close();
    expect(pair[closer].ear.reason).toBeNull(); // Never inside the call.
    for (const { ear } of [pair.dialler, pair.acceptor]) await ear.until(() => ear.reason !== null);
    expect(pair[closer].ear.reason).toBe('closed here');
    send(pair[closer], text('into the void'));
    pair[closer].channel.close();
  });

  test('close ends a channel whose reader stands still and whose queue is full', async () => {
    for (const closer of ['dialler', 'acceptor'] as const) {
      const pair = await connect(open());
      const other = closer === 'dialler' ? pair.acceptor : pair.dialler;
      other.channel.pause();
      const sent = sendUntilQueued(pair[closer], new Uint8Array(100_000), 8 * LIMIT);
      pair[closer].channel.close();
      await pair[closer].ear.until(() => pair[closer].ear.reason !== null);
      other.channel.resume();
      await other.ear.until(() => other.ear.reason !== null);
      // What was queued here did not delay the end; a port's queue is the reader's already.
      if (name !== 'message-port') expect(other.ear.frames.length).toBeLessThan(sent);
    }
  });

  test('delivers nothing after close was called inside a frame', async () => {
    const { dialler, acceptor } = await connect(open());
    acceptor.ear.onFrame = () => acceptor.channel.close();
    for (let i = 0; i < 100; i++) dialler.channel.send([text(`${i}`)]);
    dialler.channel.flush();
    await acceptor.ear.until(() => acceptor.ear.reason !== null);
    expect(acceptor.ear.frames.length).toBe(1);
  });

  test('two listeners cannot have one address', async () => {
    const network = open();
    const first = await listen(network, '127.0.0.1:0', () => {});
    await expect(listen(network, first.address, () => {})).rejects.toMatchObject({
      name: 'TransportError',
      code: 'TRANSPORT_ERR_ADDRESS_IN_USE',
    });
  });

  test('dialling where nobody listens is refused', async () => {
    const network = open();
    const gone = await listen(network, '127.0.0.1:0', () => {});
    gone.close();
    const error = await dial(network, gone.address).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(TransportError);
    expect(error).toMatchObject({ code: 'TRANSPORT_ERR_CONNECTION_REFUSED' });
  });

  test('giving up a dial leaves no connection', async () => {
    const network = open();
    const accepted: End[] = [];
    const listener = await listen(network, '127.0.0.1:0', (channel) => accepted.push(end(channel)));
    let told = false;
    const giveUp: Cancel = network.dial(listener.address, () => {
      told = true;
    });
    giveUp();
    giveUp();
    await dial(network, listener.address); // A later one goes through ...
    expect(told).toBe(false); // ... and the first one never answered.
    for (const { ear } of accepted.slice(0, -1)) await ear.until(() => ear.reason !== null);
  });

  test('several channels to one listener do not mix', async () => {
    const network = open();
    const listener = await listen(network, '127.0.0.1:0', (channel) => {
      const echo = end(channel);
      echo.ear.onFrame = () => send(echo, echo.ear.frames.at(-1)!);
    });
    const ends = await Promise.all([1, 2, 3].map(() => dial(network, listener.address)));
    ends.forEach((one, i) => {
      for (let n = 0; n < 20; n++) send(one, text(`${i}:${n}`));
    });
    for (const [i, { ear }] of ends.entries()) {
      await ear.until(() => ear.frames.length === 20);
      const joined = new TextDecoder().decode(concatBytes(ear.frames));
      expect(joined).toBe(Array.from({ length: 20 }, (_, n) => `${i}:${n}`).join(''));
    }
  });
});

describe('host:port bodies', () => {
  test.each(bodies.slice(0, 2))('%s refuses what is no address', async (_name, open) => {
    const network = open();
    for (const address of ['nowhere', '127.0.0.1:', '127.0.0.1:70000', ':80']) {
      const wrong = { code: 'TRANSPORT_ERR_ADDRESS_INVALID' };
      await expect(listen(network, address, () => {})).rejects.toMatchObject(wrong);
      await expect(dial(network, address)).rejects.toMatchObject(wrong);
    }
  });

  test.each(bodies.slice(0, 2))('%s closes on a frame beyond the limit', async (name, open) => {
    const small =
      name === 'tcp'
        ? tcpFrames(nodeNet(), { frameBytesMax: 100 })
        : grpcFrames({ servicePath: SERVICE, frameBytesMax: 100 });
    let accepted: (acceptor: End) => void = () => {};
    const acceptor = new Promise<End>((resolve) => {
      accepted = resolve;
    });
    const listener = await listen(small, '127.0.0.1:0', (channel) => accepted(end(channel)));
    const dialler = await dial(open(), listener.address);
    send(dialler, new Uint8Array(101));
    const { ear } = await acceptor;
    await ear.until(() => ear.reason !== null);
    await dialler.ear.until(() => dialler.ear.reason !== null);
    expect(ear.frames).toEqual([]);
  });
});

test('a terminated worker thread is noticed and its address is free again', async () => {
  const broker = createPortBroker();
  cleanups.push(() => broker.stop());
  const control = broker.connect();
  const script = `
    const { workerData } = require('node:worker_threads');
    workerData.control.on('message', (m) => m.port && m.port.on('message', () => {}));
    workerData.control.postMessage({ kind: 'listen', id: 1, address: 'thread:replica-1' });`;
  const worker = new Worker(script, {
    eval: true,
    workerData: { control },
    transferList: [control],
  });
  cleanups.push(() => void worker.terminate());
  await once(worker, 'online');
  const network = messagePortFrames(broker.connect());
  let client: End | null = null;
  while (client === null) client = await dial(network, 'thread:replica-1').catch(() => null);
  send(client, text('are you there?'));
  await worker.terminate();
  const { ear } = client;
  await ear.until(() => ear.reason !== null);
  let free: FrameListener | null = null;
  while (free === null)
    free = await listen(network, 'thread:replica-1', () => {}).catch(() => null);
  expect(free.address).toBe('thread:replica-1');
});
