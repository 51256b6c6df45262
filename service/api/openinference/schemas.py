"""The objects of the protocol as pydantic models.

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
    """Base of the objects in requests. Members that are null count as absent."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: object) -> object:
        """Remove null members, and bound the number of the others."""
        if not isinstance(value, dict):
            return value
        if len(value) > MAX_MEMBERS:
            raise PydanticCustomError(
                "too_many", "at most {most} members are allowed", {"most": MAX_MEMBERS}
            )
        return {name: member for name, member in value.items() if member is not None}


class Parameters(Fields):
    """Parameters by name. Those of unknown extensions are kept."""

    model_config = ConfigDict(extra="allow")


class InputParameters(Parameters):
    """Parameters of an input."""

    binary_data_size: int | None = Field(
        None,
        strict=True,
        ge=0,
        le=MAX_INTEGER,
        description="bytes of it behind the JSON",
        examples=[512],
    )


class InferenceInput(Fields):
    """A tensor of a request, with its values here or after the JSON."""

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
    """Parameters of an output."""

    binary_data: Flag = Field(
        None, description="behind the JSON instead of in it", examples=[False]
    )


class RequestedOutput(Fields):
    """A requested tensor."""

    name: str = Field(description="images", examples=["images"])
    parameters: OutputParameters = OutputParameters()


class RequestParameters(Parameters):
    """Parameters of the request."""

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
    """A request to run a model on latents or pictures."""

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
    # A factory, since generated clients would require a field that has a default in the document.
    outputs: list[RequestedOutput] = Field(
        default_factory=list,
        max_length=MAX_TENSORS,
        fail_fast=True,
        description="default: all of them",
    )


class InferenceOutput(BaseModel):
    """A tensor of an answer."""

    name: str = Field(description="images", examples=["images"])
    datatype: str = Field(description="grey levels 0 … 255", examples=["UINT8"])
    shape: list[int] = Field(description="[n, H, W, C]", examples=[[1, 28, 28, 1]])
    parameters: InputParameters | None = None
    data: list[int] | None = Field(
        None, description="the values row by row, flat", examples=[[0, 12, 255]]
    )


class InferenceResponse(BaseModel):
    """An answer. Its id is that of the request, if any."""

    model_name: str = Field(description="that made the images", examples=["mnist"])
    model_version: str = Field(description="of the model", examples=["1"])
    id: str | None = Field(None, description="that of the request", examples=["42"])
    outputs: list[InferenceOutput]


class TensorMetadata(BaseModel):
    """An input or output of a model. A dimension of -1 is free."""

    name: str = Field(description="of the tensor", examples=["latents"])
    datatype: str = Field(description="of its values", examples=["FP32"])
    shape: list[int] = Field(description="-1: any number of images", examples=[[-1, 64]])


class ModelMetadata(BaseModel):
    """A model and its versions."""

    name: str = Field(description="of the model", examples=["mnist"])
    versions: list[str] = Field(description="published", examples=[["1"]])
    platform: str = Field(description="what runs it", examples=["onnxruntime_onnx"])
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(BaseModel):
    """The server and its protocol extensions."""

    name: str = Field(description="of the server", examples=["mirage"])
    version: str = Field(description="of the server", examples=["0.1.0"])
    extensions: list[str] = Field(
        description="of the protocol, that are known", examples=[["binary_tensor_data"]]
    )


class ServerLive(BaseModel):
    """Whether the server is alive."""

    live: bool = Field(description="whether it answers", examples=[True])


class ServerReady(BaseModel):
    """Whether the server is ready."""

    ready: bool = Field(description="whether it can serve", examples=[True])


class ModelReady(BaseModel):
    """Whether a model is ready."""

    name: str = Field(description="of the model", examples=["mnist"])
    ready: bool = Field(description="whether it can serve", examples=[True])


class InferenceError(BaseModel):
    """An error."""

    error: str = Field(
        description="what is wrong, for people",
        examples=["model is 'absent'; the released models are mnist"],
    )
