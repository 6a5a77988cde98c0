/** `wgrad`: the public names, and methods for tensors: every function that takes a tensor first is also a method. */
import './methods';

export * from './index';
