export type { ZabMessage } from './messages.ts';
export { zab } from './protocol.ts';
