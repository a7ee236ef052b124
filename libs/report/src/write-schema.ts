import { writeFileSync } from 'node:fs';
import { runJsonSchemaText } from './run-schema.ts';

// `node libs/report/dist/write-schema.js FILE` writes the JSON Schema of run.json; a test compares
// the published file with it.
const file = process.argv[2];
if (file === undefined) throw new Error('which file?');
writeFileSync(file, runJsonSchemaText());
