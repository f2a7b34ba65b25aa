"""Every attribute of TensorRT and of cuda-python that this package touches, with the arguments it passes.

The tests compare the lists with the code and with the real bindings, so that a new version that drops or changes one is
noticed where no GPU is. A number is the count of positional arguments; None marks constants, properties, and classes.
"""

from __future__ import annotations

Members = dict[str, int | None]

BUILD: Members = {
    "Builder": 1,
    "Builder.build_serialized_network": 2,
    "Builder.create_builder_config": 0,
    "Builder.create_network": 1,
    "Builder.create_optimization_profile": 0,
    "DataType.name": None,
    "IBuilderConfig.add_optimization_profile": 1,
    "IBuilderConfig.create_timing_cache": 1,
    "IBuilderConfig.progress_monitor": None,
    "IBuilderConfig.set_memory_pool_limit": 2,
    "IBuilderConfig.set_timing_cache": 2,
    "INetworkDefinition.get_input": 1,
    "INetworkDefinition.get_output": 1,
    "INetworkDefinition.num_inputs": None,
    "INetworkDefinition.num_outputs": None,
    "IOptimizationProfile.set_shape": 4,
    "IProgressMonitor": 0,
    "IProgressMonitor.phase_finish": 1,
    "IProgressMonitor.phase_start": 3,
    "IProgressMonitor.step_complete": 2,
    "ITensor.dtype": None,
    "ITensor.name": None,
    "ITensor.shape": None,
    "ITimingCache.serialize": 0,
    "MemoryPoolType.WORKSPACE": None,
    "NetworkDefinitionCreationFlag": None,
    "OnnxParser": 2,
    "OnnxParser.get_error": 1,
    "OnnxParser.num_errors": None,
    "OnnxParser.parse": 1,
}
"""What building an engine touches, in both flavours. Of TensorRT's own builder the tests have the bindings only, and no
library that could be called."""

RUN: Members = {
    "ICudaEngine.create_execution_context": 0,
    "ICudaEngine.get_tensor_dtype": 1,
    "ICudaEngine.get_tensor_mode": 1,
    "ICudaEngine.get_tensor_name": 1,
    "ICudaEngine.num_io_tensors": None,
    "IExecutionContext.execute_async_v3": 1,
    "IExecutionContext.get_tensor_shape": 1,
    "IExecutionContext.set_input_shape": 2,
    "IExecutionContext.set_tensor_address": 2,
    "ILogger": 0,
    "ILogger.ERROR": None,
    "ILogger.INTERNAL_ERROR": None,
    "ILogger.WARNING": None,
    "ILogger.log": 2,
    "Runtime": 1,
    "Runtime.deserialize_cuda_engine": 1,
    "TensorIOMode.INPUT": None,
    "__version__": None,
    "nptype": 1,
}
"""What running an engine touches, in both flavours, TensorRT's lean runtime included."""

RTX_ONLY: Members = {
    "ComputeCapability.__members__": None,
    "CudaGraphStrategy.WHOLE_GRAPH_CAPTURE": None,
    "ICudaEngine.create_execution_context": 1,
    "ICudaEngine.create_runtime_config": 0,
    "IRuntimeCache.deserialize": 1,
    "IRuntimeCache.serialize": 0,
    "IRuntimeConfig.create_runtime_cache": 0,
    "IRuntimeConfig.cuda_graph_strategy": None,
    "IRuntimeConfig.set_runtime_cache": 1,
}
"""What TensorRT for RTX alone has: the GPUs it is for, kernels compiled at load and kept, contexts with CUDA graphs."""

TENSORRT_10_ONLY: Members = {"NetworkDefinitionCreationFlag.STRONGLY_TYPED": None}
"""What TensorRT 10 needs and later versions ignore or leave out: looked for, not expected."""

CUDA_DRIVER: Members = {
    "CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR": None,
    "CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR": None,
    "CUresult.CUDA_SUCCESS": None,
    "CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL": None,
    "CUstream_flags.CU_STREAM_NON_BLOCKING": None,
    "cuCtxSetCurrent": 1,
    "cuDeviceGet": 1,
    "cuDeviceGetAttribute": 2,
    "cuDeviceGetName": 2,
    "cuDevicePrimaryCtxRelease": 1,
    "cuDevicePrimaryCtxRetain": 1,
    "cuGraphDestroy": 1,
    "cuGraphExecDestroy": 1,
    "cuGraphInstantiate": 2,
    "cuGraphLaunch": 2,
    "cuInit": 1,
    "cuMemAlloc": 1,
    "cuMemFree": 1,
    "cuMemFreeHost": 1,
    "cuMemHostAlloc": 2,
    "cuMemcpyDtoHAsync": 4,
    "cuMemcpyHtoDAsync": 4,
    "cuStreamBeginCapture": 2,
    "cuStreamCreate": 1,
    "cuStreamDestroy": 1,
    "cuStreamEndCapture": 1,
    "cuStreamSynchronize": 1,
}
"""What `device` touches of `cuda.bindings.driver`."""
