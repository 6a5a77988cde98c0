/** Tables made ready for a network, by scikit-learn's definitions and under its names. */
export {
	MinMaxScaler,
	type MinMaxScalerOptions,
	type MinMaxScalerState,
	StandardScaler,
	type StandardScalerOptions,
	type StandardScalerState,
} from './scaling';
