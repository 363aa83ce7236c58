-- As centres have it: jobs without what the site asks for are refused in the site's own words, and some news goes with
-- those that are taken. Here a job asks for either by its comment.

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
