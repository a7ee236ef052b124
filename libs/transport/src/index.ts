export { networkError, TransportError, type TransportErrorCode } from './errors.ts';
export { type GrpcFrameOptions, grpcFrames } from './grpc-frames.ts';
export { FORMAT_VERSION, HELLO_FIELD } from './hello.ts';
export { messagePortFrames } from './message-port-frames.ts';
export { formatAddress, type HostAndPort, nodeNet, parseAddress } from './node-net.ts';
export { createPeerTransport, DEFAULT_PEER_LIMITS } from './peer-transport.ts';
export { createPortBroker, type PortBroker } from './port-broker.ts';
export { FRAME_BYTES_MAX, type FrameLimits, tcpFrames } from './tcp-frames.ts';
export type {
  DirectionCounters,
  FrameChannel,
  FrameHandlers,
  FrameListener,
  FrameNetwork,
  LinkCounters,
  LinkDirection,
  LinkFault,
  PeerHandlers,
  PeerIdentity,
  PeerTransport,
  PeerTransportLimits,
  PeerTransportOptions,
  SessionRefusal,
} from './types.ts';
