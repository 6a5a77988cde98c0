/** `wgrad/train` in Node: all of `index.ts`, and what needs files and a terminal. */
export * from './index';
