#!/usr/bin/env node
import { buildWhenStale } from '../../../tools/bin/build-when-stale.mjs';

buildWhenStale();
const { main } = await import('../dist/main.js');
await main(process.argv.slice(2));
