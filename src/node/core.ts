/** `wgrad/core` in Node: `io` reads and writes files by path too. */
import '../io/node';

export * from '../index';
