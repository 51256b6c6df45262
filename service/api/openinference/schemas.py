"""The protocol's objects as pydantic models: types and examples, no meaning yet.

Unknown fields and parameters are let through, for the protocol leaves them to extensions.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

MAX_DIMENSIONS = 8
MAX_MEMBERS = 64  # of one object, those of extensions included
MAX_INTEGER = 2**63 - 1  # of the protocol's parameters
MAX_TENSORS = 16

Flag = Annotated[bool | None, Field(strict=True)]


class Fields(BaseModel):
    """What the objects of requests share: members that are null are absent."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: object) -> object:
        """The members that say something; their number is bounded before they are checked."""
        if not isinstance(value, dict):
            return value
        if len(value) > MAX_MEMBERS:
            raise PydanticCustomError(
                "too_many", "at most {most} members are allowed", {"most": MAX_MEMBERS}
            )
        return {name: member for name, member in value.items() if member is not None}


class Parameters(Fields):
    """Parameters by name; those of extensions that are not known are kept, for others to read."""

    model_config = ConfigDict(extra="allow")


class InputParameters(Parameters):
    """What an input may say about its data."""

    binary_data_size: int | None = Field(
        None,
        strict=True,
        ge=0,
        le=MAX_INTEGER,
        description="bytes of it behind the JSON",
        examples=[512],
    )


class InferenceInput(Fields):
    """One tensor of a request: its values stand here, or behind the JSON."""

    name: str = Field(description="latents, labels or pictures", examples=["latents"])
    shape: list[Annotated[int, Field(strict=True, ge=0, le=MAX_INTEGER)]] = Field(
        max_length=MAX_DIMENSIONS,
        fail_fast=True,
        description="the first is the images",
        examples=[[1, 64]],
    )
    datatype: str = Field(
        description="latents: FP32; labels: INT64; pictures: UINT8", examples=["FP32"]
    )
    parameters: InputParameters = InputParameters()
    data: list[Any] | None = Field(
        None,
        description="the values row by row, nested as the shape tells or flat",
        examples=[[0.5, -1.0]],
    )


class OutputParameters(Parameters):
    """How an output is wanted."""

    binary_data: Flag = Field(
        None, description="behind the JSON instead of in it", examples=[False]
    )


class RequestedOutput(Fields):
    """One tensor that is asked for."""

    name: str = Field(description="images", examples=["images"])
    parameters: OutputParameters = OutputParameters()


class RequestParameters(Parameters):
    """What holds for the whole request."""

    binary_data_output: Flag = Field(
        None,
        description="all outputs behind the JSON, but those that say otherwise",
        examples=[False],
    )
    timeout: int | None = Field(
        None,
        strict=True,
        ge=0,
        le=MAX_INTEGER,
        description="microseconds to the answer; shortens the deadline; 0 leaves it",
        examples=[500_000],
    )


class InferenceRequest(Fields):
    """A request to make images of latents, or of pictures."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "42",
                    "inputs": [
                        {
                            "name": "latents",
                            "shape": [1, 64],
                            "datatype": "FP32",
                            "data": [0.5, -1.0] * 32,
                        },
                        {"name": "labels", "shape": [1], "datatype": "INT64", "data": [3]},
                    ],
                    "outputs": [{"name": "images"}],
                }
            ]
        }
    )

    id: str | None = Field(None, description="comes back in the answer", examples=["42"])
    parameters: RequestParameters = RequestParameters()
    inputs: list[InferenceInput] = Field(min_length=1, max_length=MAX_TENSORS, fail_fast=True)
    outputs: list[RequestedOutput] = Field(
        [], max_length=MAX_TENSORS, fail_fast=True, description="default: all of them"
    )


class InferenceOutput(BaseModel):
    """One tensor of an answer."""

    name: str = Field(description="images", examples=["images"])
    datatype: str = Field(description="grey levels 0 … 255", examples=["UINT8"])
    shape: list[int] = Field(description="[n, H, W, C]", examples=[[1, 28, 28, 1]])
    parameters: InputParameters | None = None
    data: list[int] | None = Field(
        None, description="the values row by row, flat", examples=[[0, 12, 255]]
    )


class InferenceResponse(BaseModel):
    """An answer; `id` is that of the request, if it has one."""

    model_name: str = Field(description="that made the images", examples=["mnist"])
    model_version: str = Field(description="of the model", examples=["1"])
    id: str | None = Field(None, description="that of the request", examples=["42"])
    outputs: list[InferenceOutput]


class TensorMetadata(BaseModel):
    """A tensor that a model takes or gives; -1 stands for the number of images."""

    name: str = Field(description="of the tensor", examples=["latents"])
    datatype: str = Field(description="of its values", examples=["FP32"])
    shape: list[int] = Field(description="-1: any number of images", examples=[[-1, 64]])


class ModelMetadata(BaseModel):
    """A model: `versions` may be asked for by number."""

    name: str = Field(description="of the model", examples=["mnist"])
    versions: list[str] = Field(description="published", examples=[["1"]])
    platform: str = Field(description="what runs it", examples=["onnxruntime_onnx"])
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(BaseModel):
    """The server, and the extensions of the protocol that it knows."""

    name: str = Field(description="of the server", examples=["mirage"])
    version: str = Field(description="of the server", examples=["0.1.0"])
    extensions: list[str] = Field(
        description="of the protocol, that are known", examples=[["binary_tensor_data"]]
    )


class ServerLive(BaseModel):
    """An answer to the question whether the server is alive."""

    live: bool = Field(description="whether it answers", examples=[True])


class ServerReady(BaseModel):
    """An answer to the question whether the server is ready."""

    ready: bool = Field(description="whether it can serve", examples=[True])


class ModelReady(BaseModel):
    """An answer to the question whether a model is ready."""

    name: str = Field(description="of the model", examples=["mnist"])
    ready: bool = Field(description="whether it can serve", examples=[True])


class InferenceError(BaseModel):
    """An error, as the protocol has it."""

    error: str = Field(
        description="what is wrong, for people",
        examples=["model is 'absent'; the released models are mnist"],
    )
