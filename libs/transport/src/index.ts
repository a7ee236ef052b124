export { networkError, TransportError, type TransportErrorCode } from './errors.ts';
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
