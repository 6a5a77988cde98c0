/** `wgrad/formats` in Node: reads files by path too. */
import '../io/node';

export * from './index';
