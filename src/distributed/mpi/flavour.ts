/**
 * The two binary interfaces of MPI. In Open MPI a handle (communicator, datatype, operation) is a pointer, and the predefined ones are
 * symbols of the library. In MPICH and its relatives (Intel MPI, MVAPICH, Cray) a handle is an int. The MPICH ABI fixes the
 * predefined ones: https://www.mpich.org/abi/
 */
import type { EngineOp, Values } from '../communicator';

export type Handle = number | bigint;

type TypeName = 'float' | 'double' | 'int32' | 'int8' | 'uint8' | 'uint16';

export interface Flavour {
	readonly name: 'Open MPI' | 'MPICH';
	/** The C type of a handle. */
	readonly handleType: 'void *' | 'int';
	/** The shared libraries to try, in this order. */
	readonly libraries: readonly string[];
	/** A handle that a call wrote into the eight bytes. */
	read(bytes: Uint8Array): Handle;
	predefined(symbol: (name: string) => bigint): {
		readonly world: Handle;
		readonly errorsReturn: Handle;
		readonly types: Readonly<Record<TypeName, Handle>>;
		readonly ops: Readonly<Record<EngineOp, Handle>>;
	};
}

export const openMpi: Flavour = {
	name: 'Open MPI',
	handleType: 'void *',
	libraries: ['libmpi.so.40', 'libmpi.so', 'libmpi.40.dylib', 'libmpi.dylib'],
	read: (bytes) => new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true),
	predefined: (symbol) => ({
		world: symbol('ompi_mpi_comm_world'),
		errorsReturn: symbol('ompi_mpi_errors_return'),
		types: {
			float: symbol('ompi_mpi_float'),
			double: symbol('ompi_mpi_double'),
			int32: symbol('ompi_mpi_int32_t'),
			int8: symbol('ompi_mpi_int8_t'),
			uint8: symbol('ompi_mpi_uint8_t'),
			uint16: symbol('ompi_mpi_uint16_t'),
		},
		ops: {
			sum: symbol('ompi_mpi_op_sum'),
			prod: symbol('ompi_mpi_op_prod'),
			max: symbol('ompi_mpi_op_max'),
			min: symbol('ompi_mpi_op_min'),
		},
	}),
};

export const mpich: Flavour = {
	name: 'MPICH',
	handleType: 'int',
	libraries: ['libmpich.so.12', 'libmpi.so.12', 'libmpich.so', 'libmpi.12.dylib'],
	read: (bytes) => new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true),
	predefined: () => ({
		world: 0x44000000,
		errorsReturn: 0x54000001,
		types: {
			float: 0x4c00040a,
			double: 0x4c00080b,
			int32: 0x4c000439,
			int8: 0x4c000137,
			uint8: 0x4c00013b,
			uint16: 0x4c00023c,
		},
		ops: { sum: 0x58000003, prod: 0x58000004, max: 0x58000001, min: 0x58000002 },
	}),
};

/** The name of the MPI datatype of the elements. */
export function typeOf(values: Values): TypeName {
	if (values instanceof Float32Array) return 'float';
	if (values instanceof Float64Array) return 'double';
	if (values instanceof Int32Array) return 'int32';
	if (values instanceof Int8Array) return 'int8';
	return values instanceof Uint16Array ? 'uint16' : 'uint8';
}
