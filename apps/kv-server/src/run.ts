import { main } from './main.ts';

// The entry of a replica process that a harness starts: no check of the build comes first.
await main(process.argv.slice(2));
