export { unreplicated } from './protocol.ts';
export { UnreplicatedEngine } from './unreplicated-engine.ts';
