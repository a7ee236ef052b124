export { type CheckLimits, DEFAULT_LIMITS } from './budget.ts';
export {
  type CheckOptions,
  type CheckResult,
  checkLinearizability,
  exitCodeOf,
  type Violation,
} from './check.ts';
export { drawHtml, drawSvg } from './draw-svg.ts';
export { drawText } from './draw-text.ts';
export { HistoryError } from './errors.ts';
export {
  canonicalText,
  EVENT_TYPES,
  type EventType,
  type HistoryEvent,
  type JsonValue,
  OPERATION_NAMES,
  type OperationName,
} from './event.ts';
export { type GeneratedHistoryOptions, generateHistory } from './generated-history.ts';
export { findLostWrites, type LostWrite, type LostWritesResult } from './lost-writes.ts';
export {
  ANY,
  COMPUTED,
  type CompiledModel,
  MODELS,
  type Model,
  REFUSED,
  registerModel,
  UNCHANGED,
} from './model.ts';
export { formatEvent, formatHistory, parseHistory } from './ndjson.ts';
export { eventsOf, type Operation, pairOperations, partitionByKey } from './operation.ts';
