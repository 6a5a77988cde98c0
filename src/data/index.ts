/** `wgrad/data`: from files and arrays to batches. In Node, `node.ts` adds what reads files by their path. */
export type { Dataset } from './dataset';
