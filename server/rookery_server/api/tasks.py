"""``rookery.v1.TaskService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import task_service_pb2
    from rookery_server.api.context import Call
    from rookery_server.services.tasks.tasks import TaskService


class TaskServicer:
    """Hands each call to the service that carries it out."""

    def __init__(self, service: TaskService) -> None:
        self._service = service

    async def complete_task(self, request: task_service_pb2.CompleteTaskRequest, call: Call) -> bytes:
        """CompleteTask."""
        return await self._service.complete_task(call.caller, request)

    async def list_tasks(self, request: task_service_pb2.ListTasksRequest, call: Call) -> bytes:
        """ListTasks."""
        return await self._service.list_tasks(call.caller, request)

    async def assign_task(self, request: task_service_pb2.AssignTaskRequest, call: Call) -> bytes:
        """AssignTask."""
        return await self._service.assign_task(call.caller, request)

    async def respond_to_task(self, request: task_service_pb2.RespondToTaskRequest, call: Call) -> bytes:
        """RespondToTask."""
        return await self._service.respond_to_task(call.caller, request)
