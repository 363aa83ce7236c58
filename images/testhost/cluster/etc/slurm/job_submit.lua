-- As at real centres: the site refuses jobs that lack something it requires, with its own message, and prints news with
-- those that it accepts. Here a job asks for either by its comment.

function slurm_job_submit(job, _partitions, _uid)
   if job.comment == "refuse" then
      slurm.log_user("Jobs here name their project.\nName yours with -A.")
      return slurm.ERROR
   end
   if job.comment == "remark" then
      slurm.log_user("Your project has 3 hours left.")
   end
   return slurm.SUCCESS
end

function slurm_job_modify(_change, _job, _partitions, _uid)
   return slurm.SUCCESS
end
